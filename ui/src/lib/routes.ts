/** The addresses of the pages. Pure: a path in, a page out. */

export type Route =
  | { page: 'sign-in' }
  | { page: 'invitation' }
  | { page: 'account' }
  | { page: 'cases' }
  | { page: 'case'; id: string }
  | { page: 'proposals' }
  | { page: 'proposal'; id: string }
  | { page: 'flags'; project?: string; environment?: string }
  | { page: 'flag'; project: string; environment: string; key: string }
  | { page: 'policy'; project?: string; environment?: string }
  | { page: 'access' }
  | { page: 'audit'; case?: string }
  | { page: 'not-found' };

/** The page that stands at a path. A part that cannot be decoded stands nowhere. */
export function match(path: string, query = ''): Route {
  let parts: string[];
  try {
    parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return { page: 'not-found' };
  }
  return matchParts(parts, new URLSearchParams(query));
}

function matchParts(parts: string[], query: URLSearchParams): Route {
  const [head, one, two, three] = parts;
  if (head === undefined) return { page: 'cases' };
  if (parts.length === 1) return matchList(head, query);
  if (head === 'cases' && parts.length === 2) return { page: 'case', id: one ?? '' };
  if (head === 'proposals' && parts.length === 2) return { page: 'proposal', id: one ?? '' };
  if (head === 'flags' && parts.length === 3) return { page: 'flags', project: one, environment: two };
  if (head === 'policy' && parts.length === 3) return { page: 'policy', project: one, environment: two };
  if (head === 'flags' && parts.length === 4) {
    return { page: 'flag', project: one ?? '', environment: two ?? '', key: three ?? '' };
  }
  return { page: 'not-found' };
}

function matchList(head: string, query: URLSearchParams): Route {
  if (head === 'invitation' || head === 'account' || head === 'access') return { page: head };
  if (head === 'sign-in' || head === 'cases' || head === 'proposals' || head === 'flags') return { page: head };
  if (head === 'policy') return { page: 'policy' };
  if (head === 'audit') return { page: 'audit', case: query.get('case') ?? undefined };
  return { page: 'not-found' };
}

const part = encodeURIComponent;

export const href = {
  cases: '/cases',
  case: (id: string) => `/cases/${part(id)}`,
  proposals: '/proposals',
  proposal: (id: string) => `/proposals/${part(id)}`,
  flags: (project: string, environment: string) => `/flags/${part(project)}/${part(environment)}`,
  flag: (project: string, environment: string, key: string) =>
    `/flags/${part(project)}/${part(environment)}/${part(key)}`,
  policy: (project: string, environment: string) => `/policy/${part(project)}/${part(environment)}`,
  access: '/access',
  account: '/account',
  audit: (id?: string) => (id ? `/audit?case=${part(id)}` : '/audit'),
};

/** Where to go after sign-in: only to a page of ours, never to another site. */
export function safeReturn(path: string | null): string {
  if (!path || !/^\/(?![/\\])/.test(path) || path.startsWith('/sign-in')) return '/cases';
  return path;
}
