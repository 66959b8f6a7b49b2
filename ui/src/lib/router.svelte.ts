/** The address bar as state, over the History API. */

import { tick } from 'svelte';
import { match, type Route } from './routes';

class Router {
  path = $state(location.pathname);
  query = $state(location.search);
  route: Route = $derived(match(this.path, this.query));

  constructor() {
    if (this.path === '/') this.go('/cases', { replace: true });
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#follow(event));
  }

  go(address: string, { replace = false } = {}): void {
    if (replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.#read();
    scrollTo(0, 0);
    void tick().then(() => document.getElementById('main')?.focus({ preventScroll: true }));
  }

  #read(): void {
    this.path = location.pathname;
    this.query = location.search;
  }

  /** Links to our own pages are followed without loading anew; whatever asks for more is left to the browser. */
  #follow(event: MouseEvent): void {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest('a');
    if (!link?.href || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.pathname.startsWith('/api/') || (link.hash && link.pathname === location.pathname)) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();
