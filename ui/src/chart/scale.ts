/** The geometry of a chart: nice ticks, linear scales, paths with gaps, labels that do not collide. Pure. */

export interface Scale {
  (value: number): number;
  domain: readonly [number, number];
}

export function linear(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const [from, to] = domain;
  const width = to - from || 1;
  const at = (value: number) => range[0] + ((value - from) / width) * (range[1] - range[0]);
  return Object.assign(at, { domain });
}

/** Round values that cover `low` to `high` in about `wanted` steps of 1, 2, 2.5 or 5 times a power of ten. */
export function niceTicks(low: number, high: number, wanted = 5): number[] {
  const extent = high > low ? high - low : Math.abs(high) || 1;
  const raw = extent / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 2.5, 5, 10].find((each) => each * power >= raw * (1 - 1e-9)) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, index) => tidy((first + index) * step));
}

const tidy = (value: number): number => Number(value.toPrecision(12));

const MINUTE = 60_000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10_080].map((each) => each * MINUTE);

/** Whole moments of the clock between two times, at most `most`; in the reader's zone where steps are hours. */
export function timeTicks(since: number, until: number, most: number): number[] {
  const step = STEPS.find((each) => (until - since) / each <= most) ?? (until - since) / most;
  const shift = new Date(since).getTimezoneOffset() * MINUTE;
  const first = Math.ceil((since - shift) / step) * step + shift;
  const ticks: number[] = [];
  for (let at = first; at <= until; at += step) ticks.push(at);
  return ticks;
}

export interface Spot {
  x: number;
  y: number;
}

/** An SVG path through the spots; a hole where nothing was measured, a dot where one stands alone. */
export function linePath(spots: readonly (Spot | null)[]): string {
  let path = '';
  spots.forEach((spot, index) => {
    if (spot === null) return;
    const [before, after] = [spots[index - 1] ?? null, spots[index + 1] ?? null];
    const at = `${spot.x.toFixed(1)} ${spot.y.toFixed(1)}`;
    path += before === null ? `M${at}` : `L${at}`;
    if (before === null && after === null) path += 'h0.01';
  });
  return path;
}

/** Places moved apart so that neighbours keep `gap`, within `low` to `high`; the order stays. */
export function spread(places: readonly number[], gap: number, low: number, high: number): number[] {
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  let floor = low;
  for (const each of order) {
    each.place = Math.max(each.place, floor);
    floor = each.place + gap;
  }
  let ceiling = high;
  for (const each of order.reverse()) {
    each.place = Math.min(each.place, ceiling);
    ceiling = each.place - gap;
  }
  const moved: number[] = [];
  for (const each of order) moved[each.index] = each.place;
  return moved;
}
