/** Fresh proof that the signed-in person is here: what is asked of them, and what is sent. */

import { challenge } from '../api/endpoints';
import { possible, sign } from './passkeys';
import { session } from './session.svelte';

export type Kind = 'passkey' | 'totp' | 'password';
/** What a call carries: exactly one of the three. */
export type Given = { password: string } | { code: string } | { passkey: Record<string, unknown> };

export class Proof {
  kind = $state<Kind>('password');
  text = $state('');
  readonly kinds: Kind[];
  /** A passkey is asked when the button is pressed; the others are typed before. */
  readonly ready = $derived(this.kind === 'passkey' || this.text !== '');

  /** `about` is what a passkey signs for: the call's path below the API's, and the digest that the call names. */
  constructor(readonly about: () => string) {
    const held = session.who?.proofs ?? [];
    this.kinds = (['passkey', 'totp', 'password'] as const).filter(
      (each) => held.includes(each) && (each !== 'passkey' || possible()),
    );
    this.kind = this.kinds[0] ?? 'password';
  }

  /** What to send. What was typed is forgotten here. */
  async give(): Promise<Given> {
    const typed = this.text;
    this.text = '';
    if (this.kind === 'passkey') return { passkey: await sign((await challenge(this.about())).question) };
    return this.kind === 'totp' ? { code: typed.replaceAll(' ', '') } : { password: typed };
  }
}
