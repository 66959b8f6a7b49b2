/** Something read from the server, kept fresh: the last good answer stays on screen while a newer one is fetched. */

import { problemOf } from '../api/client';
import type { Problem } from '../api/types';
import { live } from './live.svelte';

export class Resource<T> {
  data = $state.raw<T | undefined>(undefined);
  problem = $state.raw<Problem | undefined>(undefined);
  loading = $state(false);
  #read: (signal: AbortSignal) => Promise<T>;
  #running: AbortController | undefined;

  constructor(read: (signal: AbortSignal) => Promise<T>) {
    this.#read = read;
  }

  /** Reads anew; a reading that is still on its way gives way to this one. */
  async refresh(): Promise<void> {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    this.loading = true;
    try {
      const data = await this.#read(running.signal);
      if (running.signal.aborted) return;
      this.data = data;
      this.problem = undefined;
    } catch (error) {
      if (running.signal.aborted) return;
      this.problem = problemOf(error);
    }
    this.loading = false;
  }

  stop(): void {
    this.#running?.abort();
  }

  /** What a change answered with is newer than what is on its way. */
  set(data: T): void {
    this.stop();
    this.data = data;
    this.loading = false;
  }
}

/**
 * A resource for the life of a component: read now, whenever something was committed, and (where `seconds` is given)
 * on a beat, because measurements arrive without a commit.
 */
export function resource<T>(read: (signal: AbortSignal) => Promise<T>, seconds?: number): Resource<T> {
  const found = new Resource(read);
  $effect(() => {
    void live.tick;
    void found.refresh();
  });
  $effect(() => {
    const beat = seconds
      ? setInterval(() => document.hidden || found.loading || found.refresh(), 1000 * seconds)
      : undefined;
    return () => {
      clearInterval(beat);
      found.stop();
    };
  });
  return found;
}
