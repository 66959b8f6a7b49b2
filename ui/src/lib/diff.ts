/** Two listings side by side: same lines face each other, a removed line faces the added one that took its place. */

import type { LineView } from '../api/types';

export interface DiffRow {
  now: LineView | null;
  then: LineView | null;
}

export function sideBySide(now: readonly LineView[], then: readonly LineView[]): DiffRow[] {
  const rows: DiffRow[] = [];
  let [i, j] = [0, 0];
  while (i < now.length || j < then.length) {
    const [left, right] = [now[i] ?? null, then[j] ?? null];
    const gone = left !== null && left.marker === 'removed';
    const come = right !== null && right.marker === 'added';
    // A line that only one side changed faces nothing; otherwise both sides move on.
    const takeLeft = left !== null && (gone || !come);
    const takeRight = right !== null && (come || !gone);
    rows.push({ now: takeLeft ? left : null, then: takeRight ? right : null });
    if (takeLeft) i += 1;
    if (takeRight) j += 1;
  }
  return rows;
}
