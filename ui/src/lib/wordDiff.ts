/** Which words of two lines differ, so that `10 %` against `0 %` is seen at once. */

export interface Piece {
  text: string;
  changed: boolean;
}

const MOST = 400;
const split = (text: string): string[] => text.match(/[\p{L}\p{N}_.]+|\s+|./gu) ?? [];

/** Both lines in pieces; together the pieces of a side are its text. Lines too long to compare are one piece. */
export function wordDiff(before: string, after: string): [Piece[], Piece[]] {
  const [a, b] = [split(before), split(after)];
  if (a.length > MOST || b.length > MOST)
    return [[{ text: before, changed: false }], [{ text: after, changed: false }]];
  const kept = common(a, b);
  return [pieces(a, new Set(kept.map(([i]) => i))), pieces(b, new Set(kept.map(([, j]) => j)))];
}

/** The longest common subsequence, as pairs of places. */
function common(a: string[], b: string[]): [number, number][] {
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => length[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      length[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}

function pieces(words: string[], kept: ReadonlySet<number>): Piece[] {
  const made: Piece[] = [];
  words.forEach((text, index) => {
    const last = made.at(-1);
    // A space between two changed words belongs to the change.
    const changed = !kept.has(index) || (/^\s+$/.test(text) && !kept.has(index - 1) && !kept.has(index + 1));
    if (last?.changed === changed) last.text += text;
    else made.push({ text, changed });
  });
  return made;
}
