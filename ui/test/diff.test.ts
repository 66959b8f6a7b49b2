import { describe, expect, it } from 'vitest';
import type { LineView } from '../src/api/types';
import { sideBySide } from '../src/lib/diff';
import { wordDiff } from '../src/lib/wordDiff';

const line = (text: string, marker: LineView['marker'] = 'same'): LineView => ({ text, marker });
const shown = (now: LineView[], then: LineView[]) =>
  sideBySide(now, then).map((row) => [row.now?.text ?? '', row.then?.text ?? '']);

describe('two listings side by side', () => {
  it('sets a changed line against the one that took its place', () => {
    const now = [line('a'), line('b 10', 'removed'), line('c')];
    const then = [line('a'), line('b 0', 'added'), line('c'), line('d', 'added')];
    expect(shown(now, then)).toEqual([
      ['a', 'a'],
      ['b 10', 'b 0'],
      ['c', 'c'],
      ['', 'd'],
    ]);
  });

  it('loses no line, whatever the markers', () => {
    const now = [line('x', 'removed'), line('y', 'removed'), line('a')];
    const then = [line('z', 'added'), line('a')];
    expect(shown(now, then)).toEqual([
      ['x', 'z'],
      ['y', ''],
      ['a', 'a'],
    ]);
    expect(shown([], then)).toEqual([
      ['', 'z'],
      ['', 'a'],
    ]);
    expect(shown(now, [])).toHaveLength(3);
  });
});

describe('words that differ', () => {
  const marked = (before: string, after: string) =>
    wordDiff(before, after).map((side) =>
      side.map((piece) => (piece.changed ? `[${piece.text}]` : piece.text)).join(''),
    );

  it('are marked on both sides', () => {
    expect(marked('plan → 10 % x, 90 % y', 'plan → 0 % x, 100 % y')).toEqual([
      'plan → [10] % x, [90] % y',
      'plan → [0] % x, [100] % y',
    ]);
  });

  it('leave equal lines alone, and mark all of what shares nothing', () => {
    expect(marked('same line', 'same line')).toEqual(['same line', 'same line']);
    expect(marked('one', 'two')).toEqual(['[one]', '[two]']);
  });

  it('together are the line, also when it is too long to compare', () => {
    const [long, other] = ['a '.repeat(500), 'b '.repeat(500)];
    expect(
      wordDiff(long, other)[0]
        .map((each) => each.text)
        .join(''),
    ).toBe(long);
    expect(
      wordDiff('a b c', 'a c')[0]
        .map((each) => each.text)
        .join(''),
    ).toBe('a b c');
  });
});
