/**
 * Text that was written by others, made safe to show.
 *
 * What could reverse the reading direction, hide between letters or carry an unseen message is written out as its
 * escape: seen by the reader, obeyed by nobody. Nothing is dropped. Line feeds and tabs stay.
 */

// Control, format, surrogate, private-use, unassigned, line and paragraph separators; blank letters; variation selectors.
const UNSEEN =
  /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\u2800\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu;
// More marks than any written language puts on one letter only smear over the lines around.
const SMEAR = /(?<=[\p{Mn}\p{Me}]{4})[\p{Mn}\p{Me}]+/gu;

const escapeOne = (char: string): string => {
  const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `⟨U+${code}⟩`;
};

/** Harmless text that keeps its lines. */
export function plain(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(UNSEEN, escapeOne)
    .replace(SMEAR, (marks) => [...marks].map(escapeOne).join(''));
}

/** A whole answer of the server with every text in it made plain, keys included, except under the names in `raw`. */
export function harmless<T>(value: T, raw: ReadonlySet<string> = new Set()): T {
  return walk(value, raw) as T;
}

function walk(value: unknown, raw: ReadonlySet<string>): unknown {
  if (typeof value === 'string') return plain(value);
  if (Array.isArray(value)) return value.map((each) => walk(each, raw));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [plain(key), raw.has(key) ? each : walk(each, raw)]),
  );
}

/** The text, or its beginning and an ellipsis. */
export function clip(text: string, width: number): string {
  const chars = [...text];
  return chars.length <= width
    ? text
    : `${chars
        .slice(0, width - 1)
        .join('')
        .trimEnd()}…`;
}
