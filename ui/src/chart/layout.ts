/** From a series to what is drawn: scales, lines, markers and the harm band. Pure; the component only draws it. */

import type { Marker, SeriesView } from '../api/types';
import { linear, linePath, niceTicks, spread, timeTicks, type Scale, type Spot } from './scale';

export const HEIGHT = 272;
export const MARGIN = { top: 30, bottom: 26, right: 118 };
const LETTER = 6.9;
const NARROW = 520;

export interface DrawnLine {
  variation: string;
  path: string;
  /** Which of the series' looks it has. */
  look: number;
  labelY: number;
  last: Spot | null;
}

export interface DrawnMarker extends Marker {
  x: number;
  flagX: number;
  letter: string;
}

export interface Layout {
  x: Scale;
  y: Scale;
  inner: { left: number; right: number; top: number; bottom: number };
  narrow: boolean;
  yTicks: number[];
  xTicks: number[];
  lines: DrawnLine[];
  markers: DrawnMarker[];
  limitY: number | null;
  limitLabelY: number;
  /** All moments at which any line has a point, ascending. */
  moments: number[];
}

/** `written` says how a value is written, so that the longest has room. */
export function layout(series: SeriesView, width: number, written: (value: number) => string): Layout {
  const narrow = width < NARROW;
  const right = narrow ? 12 : MARGIN.right;
  const yTicks = niceTicks(...extent(series), 5);
  const left = 14 + LETTER * Math.max(...yTicks.map((each) => written(each).length));
  const inner = { left, right: Math.max(left + 60, width - right), top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom };
  const [since, until] = domain(series);
  const x = linear([since, until], [inner.left, inner.right]);
  const y = linear([yTicks[0] ?? 0, yTicks.at(-1) ?? 1], [inner.bottom, inner.top]);
  const limitY = series.limit === null ? null : y(series.limit);
  const labelled = label(drawLines(series, x, y), limitY, inner);
  return {
    x,
    y,
    inner,
    narrow,
    yTicks,
    xTicks: timeTicks(since, until, Math.max(2, Math.floor((inner.right - inner.left) / (narrow ? 62 : 92)))),
    ...labelled,
    markers: drawMarkers(series.markers, x, inner),
    limitY,
    moments: [...new Set(series.lines.flatMap((line) => line.points.map((each) => Date.parse(each.at))))].sort(
      (a, b) => a - b,
    ),
  };
}

/** The span that was asked for, without the time before anything was measured or changed. */
function domain(series: SeriesView): [number, number] {
  const [since, until] = [Date.parse(series.since), Date.parse(series.until)];
  const measured = series.lines.flatMap((line) =>
    line.points.filter((each) => each.value !== null).map((each) => each.at),
  );
  const first = Math.min(...[...measured, ...series.markers.map((each) => each.at)].map((each) => Date.parse(each)));
  const start = Number.isFinite(first) ? first - 0.03 * (until - first) : since;
  return [Math.min(Math.max(since, start), until - 60_000), until];
}

/** The limit is always in sight, with room on its far side, so that near and far from it look different. */
function extent(series: SeriesView): [number, number] {
  const values = series.lines.flatMap((line) => line.points.map((each) => each.value)).filter((each) => each !== null);
  const limit = series.limit ?? 0;
  const low = Math.min(...values, limit);
  const high = Math.max(...values, limit, limit * 1.15);
  const near = low > 0 && low / (high || 1) > 0.5;
  return [near ? low * 0.95 : Math.min(0, low), high === low ? high + 1 : high];
}

/** The baseline keeps the quiet look, whatever else is drawn. */
function drawLines(series: SeriesView, x: Scale, y: Scale): DrawnLine[] {
  let next = 1;
  return series.lines.map((line) => {
    const spots = line.points.map((each) =>
      each.value === null ? null : { x: x(Date.parse(each.at)), y: y(each.value) },
    );
    const last = spots.findLast((each) => each !== null) ?? null;
    const look = line.variation === 'baseline' || line.variation === 'control' ? 0 : ((next++ - 1) % 3) + 1;
    return { variation: line.variation, path: linePath(spots), look, last, labelY: last?.y ?? 0 };
  });
}

function label(lines: DrawnLine[], limitY: number | null, inner: Layout['inner']) {
  const seen = lines.filter((each) => each.last !== null);
  const places = [...seen.map((each) => each.labelY), ...(limitY === null ? [] : [limitY])];
  const apart = spread(places, 15, inner.top + 4, inner.bottom);
  seen.forEach((each, index) => (each.labelY = apart[index] ?? each.labelY));
  return { lines, limitLabelY: apart.at(-1) ?? 0 };
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

function drawMarkers(markers: readonly Marker[], x: Scale, inner: Layout['inner']): DrawnMarker[] {
  const places = markers.map((each) => x(Date.parse(each.at)));
  const apart = spread(places, 20, inner.left, inner.right);
  return markers.map((each, index) => ({
    ...each,
    x: places[index] ?? 0,
    flagX: apart[index] ?? 0,
    letter: LETTERS[index] ?? String(index + 1),
  }));
}

/** The moment nearest to a place on the drawing. */
export function nearest(moments: readonly number[], x: Scale, at: number): number {
  let best = -1;
  moments.forEach((moment, index) => {
    const other = moments[best];
    if (other === undefined || Math.abs(x(moment) - at) < Math.abs(x(other) - at)) best = index;
  });
  return best;
}

export interface Reading {
  variation: string;
  look: number;
  value: number | null;
  units: number;
}

/** What each line says at a moment. */
export function readingsAt(series: SeriesView, lines: readonly DrawnLine[], moment: number): Reading[] {
  return series.lines.map((line, index) => {
    const point = line.points.find((each) => Date.parse(each.at) === moment);
    return {
      variation: line.variation,
      look: lines[index]?.look ?? 0,
      value: point?.value ?? null,
      units: point?.units ?? 0,
    };
  });
}
