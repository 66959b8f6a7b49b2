/** Sentences mark names with backticks; they are shown as code. Nothing else in a text has a meaning. */

export interface Part {
  text: string;
  code: boolean;
}

export function parts(text: string): Part[] {
  const found: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(/`([^`\n]+)`/g)) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), code: false });
    found.push({ text: match[1] ?? '', code: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: text.slice(from), code: false });
  return found;
}
