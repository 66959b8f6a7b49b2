/** Who is signed in. `undefined` while nobody asked yet, `null` when nobody is. */

import type { SessionView } from '../api/types';

class Session {
  who = $state<SessionView | null | undefined>(undefined);

  get csrf(): string {
    return this.who?.csrf ?? '';
  }
}

export const session = new Session();
