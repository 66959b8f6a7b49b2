import { describe, expect, it } from 'vitest';
import { jsonLine, jsonText } from '../src/lib/json';

const weights = [
  {
    op: 'set_weights',
    flag: 'support_answer_profile',
    weights: [
      ['reranker_v2', 0],
      ['baseline', 100000],
    ],
  },
];

describe('JSON for people', () => {
  it('reads back as the same value', () => {
    const value = { text: 'a"\\\u202E\n', list: [1, null, true, {}, []], deep: { er: weights } };
    expect(JSON.parse(jsonText(value))).toEqual(value);
    expect(JSON.parse(jsonLine(value))).toEqual(value);
  });

  it('hides nothing: letters beyond ASCII are escapes', () => {
    expect(jsonText({ a: '\u202E' })).toBe('{"a": "\\u202e"}');
  });

  it('keeps short parts on one line and breaks long ones', () => {
    expect(jsonText(weights).split('\n')).toEqual([
      '[',
      '  {',
      '    "op": "set_weights",',
      '    "flag": "support_answer_profile",',
      '    "weights": [["reranker_v2", 0], ["baseline", 100000]]',
      '  }',
      ']',
    ]);
  });
});
