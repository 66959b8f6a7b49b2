import { describe, expect, it } from 'vitest';
import { href, match, safeReturn } from '../src/lib/routes';

describe('addresses', () => {
  it.each([
    ['/', { page: 'cases' }],
    ['/cases', { page: 'cases' }],
    ['/cases/case-1', { page: 'case', id: 'case-1' }],
    ['/proposals/p-1', { page: 'proposal', id: 'p-1' }],
    ['/flags', { page: 'flags' }],
    ['/flags/support/production', { page: 'flags', project: 'support', environment: 'production' }],
    ['/flags/support/production/a.b', { page: 'flag', project: 'support', environment: 'production', key: 'a.b' }],
    ['/policy', { page: 'policy' }],
    ['/policy/support/production', { page: 'policy', project: 'support', environment: 'production' }],
    ['/policy/support', { page: 'not-found' }],
    ['/sign-in', { page: 'sign-in' }],
    ['/cases/a/b', { page: 'not-found' }],
    ['/flags/support', { page: 'not-found' }],
    ['/nowhere', { page: 'not-found' }],
    ['/cases/%E0%A4%A', { page: 'not-found' }],
  ])('%s', (path, route) => {
    expect(match(path)).toEqual(route);
  });

  it('lead back to where they were made from', () => {
    const [project, environment, key] = ['a b', 'x/y', '100%'];
    expect(match(href.flag(project, environment, key))).toEqual({ page: 'flag', project, environment, key });
    expect(match(href.case('../x'))).toEqual({ page: 'case', id: '../x' });
    expect(match('/audit', '?case=case-1')).toEqual({ page: 'audit', case: 'case-1' });
    expect(href.audit('case-1')).toBe('/audit?case=case-1');
  });

  it.each([
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    'javascript:alert(1)',
    '',
    null,
    '/sign-in?next=/x',
  ])('after sign-in nobody is sent to %s', (path) => {
    expect(safeReturn(path)).toBe('/cases');
  });

  it('after sign-in a page of ours is shown', () => {
    expect(safeReturn('/proposals/p-1?x=1')).toBe('/proposals/p-1?x=1');
  });
});
