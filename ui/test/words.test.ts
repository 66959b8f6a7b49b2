import { describe, expect, it } from 'vitest';
import type { ProposalView } from '../src/api/types';
import { pageBefore } from '../src/lib/pages';
import { parts } from '../src/lib/prose';
import { stepsOf } from '../src/lib/steps';
import { agreement, capital, confidence, effectWord, proposalStatus, severity, shortDigest } from '../src/lib/words';

describe('words', () => {
  it('that are not known are shown as they came', () => {
    expect(proposalStatus('half_done')).toEqual({ text: 'half done', tone: 'neutral' });
    expect(severity('P0')).toEqual({ text: 'severity P0', tone: 'neutral' });
    expect(severity('constructor')).toEqual({ text: 'severity constructor', tone: 'neutral' });
    expect(proposalStatus('toString')).toEqual({ text: 'toString', tone: 'neutral' });
    expect(effectWord('widens').tone).toBe('waiting');
  });

  it('are raised, but names of metrics are not', () => {
    expect(capital('harm is shown')).toBe('Harm is shown');
    expect(capital('citation_failure_rate is not joined')).toBe('citation_failure_rate is not joined');
    expect(capital('p95 latency')).toBe('p95 latency');
    expect(capital('operation.op: no')).toBe('operation.op: no');
    expect(capital('refused. Again')).toBe('Refused. Again');
    expect(capital('')).toBe('');
  });

  it('say what a second opinion amounts to', () => {
    expect(agreement(false, 0).text).toBe('nothing to compare with yet');
    expect(agreement(true, 0)).toEqual({ text: 'would do the same', tone: 'safe' });
    expect(agreement(true, 1).text).toBe('differs on one point');
    expect(agreement(true, 3)).toEqual({ text: 'differs on 3 points', tone: 'waiting' });
  });

  it('say confidence twice', () => {
    expect([confidence(0.86), confidence(0.5), confidence(0.1)]).toEqual([
      'high (0.86)',
      'medium (0.50)',
      'low (0.10)',
    ]);
  });

  it('shorten a digest', () => {
    expect(shortDigest(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab');
  });
});

describe('sentences', () => {
  it('show names between backticks as code, and nothing else', () => {
    expect(parts('rule `pro-10` of <b>`x`</b>')).toEqual([
      { text: 'rule ', code: false },
      { text: 'pro-10', code: true },
      { text: ' of <b>', code: false },
      { text: 'x', code: true },
      { text: '</b>', code: false },
    ]);
    expect(parts('one ` alone')).toEqual([{ text: 'one ` alone', code: false }]);
    expect(parts('')).toEqual([]);
  });
});

describe('pages of the log', () => {
  it('end at the first entry', () => {
    expect(pageBefore(100, 50)).toEqual({ start: 50, limit: 50 });
    expect(pageBefore(30, 50)).toEqual({ start: 0, limit: 30 });
  });
});

describe('a proposal without a case', () => {
  it.each([
    ['pending', ['done', 'current', 'ahead']],
    ['approved', ['done', 'done', 'current']],
    ['applied', ['done', 'done', 'done']],
    ['rejected', ['done', 'ahead', 'ahead']],
  ])('%s has its own steps', (status, expected) => {
    expect(stepsOf({ status } as ProposalView).map((each) => each.status)).toEqual(expected);
  });
});
