import { describe, expect, it } from 'vitest';
import { clockTime, countdown, day, dayFromNow, exact, period, relative, span } from '../src/lib/time';

const now = Date.parse('2026-11-23T12:00:00Z');
const at = (seconds: number) => new Date(now + 1000 * seconds).toISOString();

describe('times', () => {
  it.each([
    [-2, 'just now'],
    [-41, '41 s ago'],
    [-41 * 60, '41 min ago'],
    [-3 * 3600, '3 h ago'],
    [-50 * 3600, '2 d ago'],
    [25 * 60, 'in 25 min'],
  ])('%d seconds away reads %s', (seconds, said) => {
    expect(relative(at(seconds), now)).toBe(said);
  });

  it.each([
    [8, '0:08'],
    [545, '9:05'],
    [41 * 60 + 20, '41 min'],
    [3 * 3600 + 41 * 60, '3 h 41 min'],
    [73 * 3600, '3 d'],
    [0, ''],
    [-5, ''],
  ])('with %d seconds left the countdown reads "%s"', (seconds, said) => {
    expect(countdown(at(seconds), now)).toBe(said);
  });

  it('shows what is no time as it came', () => {
    expect([relative('soon', now), exact('soon'), clockTime('soon', now), countdown('soon', now)]).toEqual([
      'soon',
      'soon',
      'soon',
      '',
    ]);
  });

  it('tells the exact moment in UTC as well', () => {
    expect(exact('2026-11-23T12:00:00.123Z')).toContain('2026-11-23 12:00:00 UTC');
  });

  it('never shifts a calendar day by the zone', () => {
    expect(day('2026-11-29')).toContain('29');
    expect(day('not a day')).toBe('not a day');
    expect(dayFromNow(14, now)).toBe('2026-12-07');
  });

  it('tells a period by its clock, and by its days where they are two', () => {
    expect(period(at(-600), at(0), now)).toBe(`${clockTime(at(-600), now)} to ${clockTime(at(0), now)}`);
    expect(period(at(-86_400), at(0), now)).toMatch(/^\D+ \d+ \d\d:\d\d to today \d\d:\d\d$/);
    expect(period(at(-3 * 86_400), at(-2 * 86_400), now)).not.toContain('today');
  });

  it('measures years and months too', () => {
    expect([span(400 * 86_400_000), span(40 * 86_400_000)]).toEqual(['1 y', '1 mo']);
  });
});
