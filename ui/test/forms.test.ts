import { describe, expect, it } from 'vitest';
import { readTree, sampleContext } from '../src/lib/explanation';
import { readContext, readOperations } from '../src/lib/operations';

describe('operations typed as JSON', () => {
  it('are sent as typed', () => {
    expect(readOperations('[{"op": "set_enabled", "flag": "a", "enabled": false}]')).toEqual({
      operations: [{ op: 'set_enabled', flag: 'a', enabled: false }],
      problem: '',
    });
  });

  it.each([
    ['[{"op": ', 'not JSON'],
    ['{"op": "set_enabled"}', 'list'],
    ['[]', 'no operation'],
    ['[{"op": "set_enabled"}, {"flag": "a"}]', 'Item 2'],
    ['[null]', 'Item 1'],
  ])('%s is not sent, and says why', (text, why) => {
    expect(readOperations(text).problem).toContain(why);
  });
});

describe('a context typed as JSON', () => {
  it('is an object', () => {
    expect(readContext('{"targetingKey": "u"}')).toEqual({ context: { targetingKey: 'u' }, problem: '' });
    expect(readContext('[]').problem).toContain('object');
    expect(readContext('nothing').problem).toContain('not JSON');
  });

  it('starts from what the rules ask for', () => {
    const rules = [
      { clauses: [{ attribute: 'targetingKey', operator: 'in_segment', values: ['staff'] }] },
      {
        clauses: [
          { attribute: 'plan', operator: 'in', values: ['pro'] },
          { attribute: 'region', operator: 'exists' },
        ],
      },
    ];
    expect(sampleContext({ unit: 'conversation', rules })).toEqual({
      targetingKey: 'user-1',
      conversation: 'conversation-1',
      plan: 'pro',
      region: '',
    });
    expect(sampleContext({})).toEqual({ targetingKey: 'user-1' });
  });
});

describe('an explanation', () => {
  it('becomes one kind of node', () => {
    const tree = {
      sentence: 'Flag a serves x.',
      steps: [
        { sentence: 'Rule r does not match.', decided: false, clauses: [{ sentence: 'plan', matched: false }] },
        {
          sentence: 'Otherwise x.',
          decided: true,
          rollout: { sentence: 'bucket' },
          prerequisite: { sentence: 'Flag b' },
        },
      ],
    };
    const read = readTree(tree);
    expect(read.children.map((each) => each.mark)).toEqual(['passed', 'decided']);
    expect(read.children[0]?.children).toEqual([{ sentence: 'plan', mark: 'failed', children: [] }]);
    expect(read.children[1]?.children.map((each) => each.sentence)).toEqual(['bucket', 'Flag b']);
  });

  it('of an unexpected shape is shown as far as it goes', () => {
    expect(readTree({ steps: 'none' })).toEqual({ sentence: '', mark: 'plain', children: [] });
  });
});
