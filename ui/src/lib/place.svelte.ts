/** The environment that the page on screen is about, for the badge in the header. */

class Place {
  project = $state('');
  environment = $state('');

  at(project: string, environment: string): void {
    this.project = project;
    this.environment = environment;
  }
}

export const place = new Place();
