/** Who is signed in. `undefined` while nobody asked yet, `null` when nobody is. */

import type { SessionView } from '../api/types';

class Session {
  who = $state<SessionView | null | undefined>(undefined);

  /** Whether somebody holds a role in a place: everywhere, in the project, or in this environment alone. */
  holds(role: string, project?: string, environment?: string): boolean {
    const places = project ? ['', `@${project}`, `@${project}/${environment}`] : [''];
    return places.some((at) => this.who?.roles.includes(role + at));
  }

  get csrf(): string {
    return this.who?.csrf ?? '';
  }
}

export const session = new Session();
