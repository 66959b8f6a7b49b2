/** Pages of the audit log, whose indices start at 0 and have no holes. */

/** The `size` entries just below an index. */
export function pageBefore(below: number, size: number): { start: number; limit: number } {
  const start = Math.max(0, below - size);
  return { start, limit: Math.max(1, below - start) };
}
