/** Operations typed as JSON: read as far as a page can; whether they hold is the server's to say. */

export interface ReadOperations {
  operations: Record<string, unknown>[];
  /** Empty when it can be sent. */
  problem: string;
}

const no = (problem: string): ReadOperations => ({ operations: [], problem });

export function readOperations(text: string): ReadOperations {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return no(`This is not JSON yet: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(value)) return no('Operations are a list: start with [ and end with ].');
  if (value.length === 0) return no('There is no operation in the list.');
  const odd = value.findIndex((each) => typeof each !== 'object' || each === null || typeof each.op !== 'string');
  if (odd >= 0) return no(`Item ${odd + 1} has no "op", which names the kind of edit.`);
  return { operations: value as Record<string, unknown>[], problem: '' };
}

/** A context typed as JSON: an object, or why not. */
export function readContext(text: string): { context: Record<string, unknown>; problem: string } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { context: value as Record<string, unknown>, problem: '' };
    }
    return { context: {}, problem: 'A context is an object: start with { and end with }.' };
  } catch (error) {
    return { context: {}, problem: `This is not JSON yet: ${error instanceof Error ? error.message : String(error)}` };
  }
}
