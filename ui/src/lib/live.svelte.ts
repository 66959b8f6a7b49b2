/** Live updates: a tick whenever the server committed something. Comes back by itself, and rests in a hidden tab. */

export type LiveState = 'live' | 'connecting' | 'off';

const ADDRESS = '/api/v1/events';
/** Many commits in a row make one reading. */
const GATHER = 200;
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
/** A browser allows few connections to one server, which hidden tabs should not hold. */
const REST_AFTER = 30_000;

class Live {
  state: LiveState = $state('off');
  /** Rises with every commit; an effect that reads it runs again. */
  tick = $state(0);
  #source: EventSource | undefined;
  #wait = FIRST_WAIT;
  #seen = '';
  #retry: ReturnType<typeof setTimeout> | undefined;
  #gather: ReturnType<typeof setTimeout> | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #wanted = false;

  constructor() {
    document.addEventListener('visibilitychange', () => this.#visibility());
    addEventListener('online', () => this.#wanted && this.#open());
  }

  start(): void {
    this.#wanted = true;
    if (!document.hidden) this.#open();
  }

  stop(): void {
    this.#wanted = false;
    this.#close();
    this.state = 'off';
  }

  #open(): void {
    this.#close();
    this.state = 'connecting';
    const source = new EventSource(ADDRESS);
    this.#source = source;
    source.onopen = () => {
      this.state = 'live';
      this.#wait = FIRST_WAIT;
    };
    source.addEventListener('changed', (event) => this.#changed((event as MessageEvent<string>).data));
    source.onerror = () => this.#again();
  }

  /** The first message after a connection often repeats what is known; the very first may tell what a page just missed. */
  #changed(data: string): void {
    if (data === this.#seen) return;
    this.#seen = data;
    clearTimeout(this.#gather);
    this.#gather = setTimeout(() => (this.tick += 1), GATHER);
  }

  #again(): void {
    this.#close();
    if (!this.#wanted) return;
    this.state = 'connecting';
    this.#retry = setTimeout(() => this.#open(), this.#wait);
    this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  #visibility(): void {
    clearTimeout(this.#rest);
    if (!this.#wanted) return;
    if (document.hidden) this.#rest = setTimeout(() => this.#close(), REST_AFTER);
    else if (this.#source === undefined) this.#open();
  }
}

export const live = new Live();
