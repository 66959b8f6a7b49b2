import { describe, expect, it } from 'vitest';
import { amount, count, measured, percent, plural } from '../src/lib/figures';

describe('figures', () => {
  it('never shows something as nothing', () => {
    expect([percent(0), percent(0.0001), percent(0.0044), percent(0.1004)]).toEqual([
      '0.0 %',
      '< 0.1 %',
      '0.4 %',
      '10.0 %',
    ]);
    expect(percent(0.25, 0)).toBe('25 %');
  });

  it('writes a metric as the server does', () => {
    expect(measured(3180.4, 'tail', 'ms')).toBe('3,180 ms');
    expect(measured(5.876, 'tail', 's')).toBe('5.88 s');
    expect(measured(0.098, 'rate', '')).toBe('9.8 %');
    expect(measured(0.021, 'mean', '$')).toBe('$0.021');
    expect(measured(12, 'mean', '')).toBe('12');
    expect(measured(null, 'tail', 'ms')).toBe('no data');
  });

  it('counts', () => {
    expect([count(12894), plural(1, 'unit'), plural(2, 'unit'), plural(2, 'entry', 'entries')]).toEqual([
      '12,894',
      '1 unit',
      '2 units',
      '2 entries',
    ]);
    expect([amount(0.01234), amount(-150.4), amount(0)]).toEqual(['0.0123', '-150', '0']);
  });
});
