/** One way to the server: same origin, the session's cookie, the CSRF header on every change, problems as `ApiError`. */

import { clock } from '../lib/clock.svelte';
import { harmless } from '../lib/plain';
import { session } from '../lib/session.svelte';
import type { Problem } from './types';

/** Kept as they came, because a person edits them as JSON; whoever shows them uses `jsonText`. */
const RAW = new Set(['operations', 'document', 'body', 'value']);

/** What the server (or the way to it) said no with. */
export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  const detail = error instanceof Error ? error.message : String(error);
  return { type: 'about:blank', title: 'Something went wrong in this page', status: 0, detail };
}

const unreachable = (): Problem => ({
  type: 'about:blank',
  title: 'The server cannot be reached',
  status: 0,
  detail: 'The connection failed or was cut.',
  remedy: 'Check your connection and that the server runs, then try again.',
});

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return request<T>('GET', path, undefined, signal);
}

export async function post<T>(path: string, body?: unknown): Promise<T> {
  return request<T>('POST', path, body);
}

export async function remove(path: string): Promise<void> {
  await request<null>('DELETE', path);
}

async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal);
  clock.learn(response.headers.get('Date'));
  if (!response.ok) throw await refused(response, path);
  if (response.status === 204) return null as T;
  return harmless((await response.json()) as T, RAW);
}

async function send(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-CSRF-Token'] = session.csrf;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const sent = body === undefined ? undefined : JSON.stringify(body);
  try {
    return await fetch(`/api/v1${path}`, { method, headers, body: sent, signal, credentials: 'same-origin' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(unreachable());
  }
}

async function refused(response: Response, path: string): Promise<ApiError> {
  const problem = await readProblem(response);
  // A wrong password or code at sign-in is an answer to that form.
  if (response.status === 401 && path !== '/session' && path !== '/session/second') session.who = null;
  return new ApiError(problem);
}

async function readProblem(response: Response): Promise<Problem> {
  const fallback: Problem = {
    type: 'about:blank',
    title: `The server answered ${response.status}`,
    status: response.status,
    detail: response.statusText || 'It gave no reason.',
    remedy:
      response.status >= 500 ? 'Try again; if it goes on, the log of the server or of the proxy tells more.' : null,
  };
  try {
    return { ...fallback, ...harmless((await response.json()) as Partial<Problem>) };
  } catch {
    return fallback;
  }
}
