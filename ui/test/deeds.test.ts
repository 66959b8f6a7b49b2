import { describe, expect, it } from 'vitest';
import { deed, told } from '../src/lib/deeds';

describe('an act on record', () => {
  it.each([
    ['proposal.approve', 'proposal approved'],
    ['change.reverse', 'change undone'],
    ['refused.approve', 'approval refused'],
    ['refused.sign_in', 'sign-in refused'],
    ['session.open', 'signed in'],
    ['break_glass.use', 'break glass use'],
    ['constructor.toString', 'constructor toString'],
  ])('%s reads: %s', (action, said) => {
    expect(deed(action)).toBe(said);
  });

  it('is put into words at the head of a line, and nowhere else', () => {
    expect(told('proposal draft: Reduce it: now')).toBe('proposal drafted: Reduce it: now');
    expect(told('p95 latency holding; case open')).toBe('p95 latency holding; case open');
  });
});
