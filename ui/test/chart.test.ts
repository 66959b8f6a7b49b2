import { describe, expect, it } from 'vitest';
import type { SeriesView } from '../src/api/types';
import { HEIGHT, layout, nearest, readingsAt } from '../src/chart/layout';
import { linePath, linear, niceTicks, spread, timeTicks } from '../src/chart/scale';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 23, 12, minute)).toISOString();
const series = (more: Partial<SeriesView> = {}): SeriesView => ({
  guardrail: 'p95_latency',
  metric: 'latency',
  kind: 'tail',
  title: 'p95 latency',
  unit_label: 'ms',
  limit: 2500,
  since: at(0),
  until: at(60),
  lines: [
    { variation: 'baseline', points: [10, 20, 30].map((minute) => ({ at: at(minute), value: 2100, units: 9 })) },
    {
      variation: 'reranker_v2',
      points: [
        { at: at(10), value: 2200, units: 5 },
        { at: at(20), value: null, units: 0 },
        { at: at(30), value: 3180, units: 4 },
      ],
    },
  ],
  markers: [
    { at: at(15), text: 'a', kind: 'change' },
    { at: at(15), text: 'b', kind: 'signal' },
  ],
  ...more,
});
const draw = (more?: Partial<SeriesView>, width = 800) => layout(series(more), width, (value) => `${value} ms`);

describe('ticks', () => {
  it('are round and cover the values', () => {
    expect(niceTicks(1980, 3250)).toEqual([1500, 2000, 2500, 3000, 3500]);
    expect(niceTicks(0, 0.098)).toEqual([0, 0.02, 0.04, 0.06, 0.08, 0.1]);
    expect(niceTicks(5, 5).length).toBeGreaterThan(1);
    expect(niceTicks(0, 0)).toContain(0);
  });

  it('of time fall on the clock and are not too many', () => {
    const ticks = timeTicks(Date.parse(at(3)), Date.parse(at(63)), 6);
    expect(ticks.length).toBeLessThanOrEqual(6);
    expect(
      ticks.every((each) => new Date(each).getUTCMinutes() % 10 === 0 || new Date(each).getUTCMinutes() % 15 === 0),
    ).toBe(true);
  });
});

describe('lines', () => {
  it('have a hole where nothing was measured, and a dot where one stands alone', () => {
    const spot = (x: number) => ({ x, y: 1 });
    expect(linePath([spot(1), spot(2), null, spot(4)])).toBe('M1.0 1.0L2.0 1.0M4.0 1.0h0.01');
    expect(linePath([null])).toBe('');
  });

  it('of the baseline keep the quiet look', () => {
    expect(draw().lines.map((line) => line.look)).toEqual([0, 1]);
  });
});

describe('the drawing', () => {
  it('keeps the limit in sight with room beyond it, also when nothing comes near', () => {
    const calm = series().lines.map((line) => ({
      ...line,
      points: line.points.map((each) => ({ ...each, value: 100 })),
    }));
    const drawn = draw({ lines: calm });
    expect(drawn.limitY).toBeGreaterThan(drawn.inner.top + 10);
    expect(drawn.y.domain[1]).toBeGreaterThan(2500);
  });

  it('moves labels and letters apart', () => {
    const close = series().lines.map((line) => ({
      ...line,
      points: line.points.map((each) => ({ ...each, value: 2499 })),
    }));
    const drawn = draw({ lines: close });
    const places = [...drawn.lines.map((line) => line.labelY), drawn.limitLabelY].sort((a, b) => a - b);
    expect(Math.min(...places.slice(1).map((each, index) => each - (places[index] ?? 0)))).toBeGreaterThanOrEqual(15);
    const [one, other] = drawn.markers;
    expect(Math.abs((one?.flagX ?? 0) - (other?.flagX ?? 0))).toBeGreaterThanOrEqual(20);
    expect(one?.x).toBe(other?.x);
  });

  it('leaves out the empty time before anything was measured', () => {
    expect(new Date(draw().x.domain[0]).getUTCMinutes()).toBeGreaterThan(5);
  });

  it('stands with no data, no limit and no width', () => {
    const drawn = draw({ lines: [], markers: [], limit: null }, 0);
    expect(drawn.lines).toEqual([]);
    expect(drawn.limitY).toBeNull();
    expect([drawn.inner.right, drawn.inner.bottom].every(Number.isFinite)).toBe(true);
    expect(drawn.inner.bottom).toBeLessThan(HEIGHT);
  });

  it('is read at the nearest moment', () => {
    const drawn = draw();
    const index = nearest(drawn.moments, drawn.x, drawn.x(Date.parse(at(29))));
    expect(drawn.moments[index]).toBe(Date.parse(at(30)));
    expect(readingsAt(series(), drawn.lines, Date.parse(at(20)))).toEqual([
      { variation: 'baseline', look: 0, value: 2100, units: 9 },
      { variation: 'reranker_v2', look: 1, value: null, units: 0 },
    ]);
    expect(nearest([], drawn.x, 5)).toBe(-1);
  });
});

describe('places moved apart', () => {
  it('keep their order and the room they have', () => {
    expect(spread([10, 11, 12], 5, 0, 100)).toEqual([10, 15, 20]);
    expect(spread([98, 99, 100], 5, 0, 100)).toEqual([90, 95, 100]);
    expect(spread([], 5, 0, 100)).toEqual([]);
  });

  it('a scale of one value does not divide by nothing', () => {
    expect(Number.isFinite(linear([5, 5], [0, 10])(5))).toBe(true);
  });
});
