/** JSON for people to read and edit: ASCII, so that nothing hides in it, and short lists and objects on one line. */

const WIDTH = 76;

/** The same value for a machine; letters beyond ASCII are written as their escapes. */
export function jsonLine(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  const spaced = typeof value === 'object' && value !== null ? inline(value) : text;
  return spaced.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As `jsonLine`, over several lines where one would be longer than `width`. */
export function jsonText(value: unknown, indent = '', width = WIDTH): string {
  const line = jsonLine(value);
  if (typeof value !== 'object' || value === null || line.length + indent.length <= width) return line;
  const deeper = `${indent}  `;
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const parts = Array.isArray(value)
    ? value.map((each) => deeper + jsonText(each, deeper, width))
    : Object.entries(value).map(([key, each]) => `${deeper}${jsonLine(key)}: ${jsonText(each, deeper, width)}`);
  return `${open}\n${parts.join(',\n')}\n${indent}${close}`;
}

function inline(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const pairs = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${inline(each)}`);
  return pairs.length ? `{${pairs.join(', ')}}` : '{}';
}
