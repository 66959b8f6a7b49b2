/** The server's time, once a second: a phone whose clock is wrong still shows when a key expires. */

class Clock {
  now = $state(Date.now());
  #offset = 0;

  constructor() {
    setInterval(() => this.#tick(), 1000);
  }

  /** Learns from an answer's `Date` header, which is whole seconds: only a real difference counts. */
  learn(date: string | null): void {
    const server = date === null ? Number.NaN : Date.parse(date);
    if (Number.isNaN(server)) return;
    const offset = server - Date.now();
    this.#offset = Math.abs(offset) < 3000 ? 0 : offset;
  }

  #tick(): void {
    if (!document.hidden) this.now = Date.now() + this.#offset;
  }
}

export const clock = new Clock();
