/** Short messages about what just happened: seen for a while, and read out by a screen reader. */

import type { Tone } from './words';

export interface Notice {
  id: number;
  text: string;
  tone: Tone;
}

class Notices {
  list: Notice[] = $state([]);
  #next = 0;

  say(text: string, tone: Tone = 'safe'): void {
    const id = this.#next++;
    this.list = [...this.list.slice(-2), { id, text, tone }];
    setTimeout(() => this.drop(id), 9000);
  }

  drop(id: number): void {
    this.list = this.list.filter((each) => each.id !== id);
  }
}

export const notices = new Notices();
