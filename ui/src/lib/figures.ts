/** Figures for people: shares in percent, counts with thousands, metrics with their unit. */

/** A share of 0 to 1 in percent; what is not nothing never reads as nothing. */
export function percent(share: number, digits = 1): string {
  const value = 100 * share;
  if (value > 0 && value < 0.1 / 10 ** (digits - 1)) return `< ${0.1 / 10 ** (digits - 1)} %`;
  return `${value.toFixed(digits)} %`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A number with three significant digits, or whole from a hundred on. */
export function amount(value: number): string {
  if (Math.abs(value) >= 100) return count(value);
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

const SHARES = new Set(['rate', 'fallback']);

/** A guardrail's value as the server writes it, so that chart, tile and verdict read the same. */
export function measured(value: number | null, kind: string, unit: string): string {
  if (value === null) return 'no data';
  if (SHARES.has(kind) || unit === '%') return `${(100 * value).toFixed(1)} %`;
  if (unit === '$') return `$${value.toFixed(3)}`;
  return unit ? `${amount(value)} ${unit}` : amount(value);
}
