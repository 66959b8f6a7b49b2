import { describe, expect, it } from 'vitest';
import type { CaseView, CheckView, ProposalView, Tile, VerdictView } from '../src/api/types';
import { brief, mainProposal } from '../src/lib/brief';

const tile = (guardrail: string, text: string, state: Tile['state']): Tile => ({
  guardrail,
  metric: 'm',
  value: 1,
  text,
  limit_text: 'limit 4 s',
  change_text: '',
  state,
});

const check = (phase: CheckView['phase'], at: string, verdict: VerdictView['status']) =>
  ({ phase, at, verdicts: [{ guardrail: 'p95_latency', status: verdict }] }) as unknown as CheckView;

const aCase = (over: Partial<CaseView> = {}) =>
  ({
    title: 'Answers are slow',
    firing: 2,
    signals: 2,
    tiles: [tile('p95 latency', '5.8 s', 'harm'), tile('cost', '$0.02', 'unknown')],
    gaps: [],
    checks: [],
    proposals: [{ id: 'proposal-1', status: 'pending' }],
    finding: { recommendation: 'reduce_to_internal' },
    ...over,
  }) as unknown as CaseView;

const aProposal = (over: Partial<ProposalView> = {}) =>
  ({
    id: 'proposal-1',
    title: 'Reduce it',
    status: 'pending',
    effect: 'narrows',
    approved: 1,
    required: 2,
    gaps: [{ id: 'g', kind: 'not_joined', sentence: 'citation_failures: none is joined', what_to_do: '' }],
    blast_radius: {
      sampled_units: 5630,
      changed_units: 373,
      share_before: 0.083,
      share_after: 0.017,
      transitions: [{ flag: 'f', before: 'reranker_v2', after: 'baseline', units: 373, share: 0.066 }],
    },
    ...over,
  }) as unknown as ProposalView;

const said = (answers: ReturnType<typeof brief>) =>
  Object.fromEntries(
    answers.map((each) => [each.label, each.statements.map((one) => [one.text, one.note].filter(Boolean).join(' | '))]),
  );

describe('a case in short', () => {
  it('tells what happened, what it would change, and what is not known', () => {
    expect(said(brief(aCase(), aProposal(), false))).toEqual({
      'What happened': ['p95 latency 5.8 s | limit 4 s'],
      'What it would change': [
        'Narrows exposure',
        '373 of 5,630 units | reranker_v2 → baseline',
        '8.3 % → 1.7 % | get something beyond the baseline',
      ],
      'What proof is missing': ['Citation failures | none is joined'],
    });
  });

  it('names the proposal and its keys on the page of the case', () => {
    const named = brief(aCase(), aProposal(), true)[1];
    expect(named).toEqual({
      label: 'What is proposed',
      tone: 'waiting',
      statements: [
        { text: 'Reduce it', address: '/proposals/proposal-1', note: 'awaiting approval, 1 of 2 keys turned' },
      ],
    });
  });

  it('after the change tells what was breached before it, and what holds since', () => {
    const item = aCase({
      tiles: [tile('p95 latency', '3.2 s', 'safe'), tile('cost', '$0.02', 'unknown')],
      checks: [
        check('before', '2026-11-23T08:00:00Z', 'breached'),
        check('before', '2026-11-23T07:00:00Z', 'holding'),
        check('after', '2026-11-23T08:10:00Z', 'holding'),
      ],
    });
    expect(said(brief(item, aProposal({ status: 'applied', gaps: [] }), true))).toEqual({
      'What happened': ['p95 latency | beyond its limit'],
      'What was changed': ['Reduce it | applied'],
      'Since the change': ['p95 latency 3.2 s | holds', 'Cost $0.02 | too early to say'],
      'What proof is missing': ['No gap is known'],
    });
  });

  it('says when nothing is left to compare with', () => {
    const looked = check('after', '2026-11-23T08:10:00Z', 'holding');
    const item = aCase({ checks: [{ ...looked, verdicts: [{ ...looked.verdicts[0]!, observational: true }] }] });
    expect(said(brief(item, aProposal({ status: 'applied' }), true))['Since the change']?.at(-1)).toBe(
      'Observational | no control arm is left to compare with',
    );
  });

  it('says when harm goes on after the change', () => {
    const item = aCase({ checks: [check('after', '2026-11-23T08:10:00Z', 'breached')] });
    const since = brief(item, aProposal({ status: 'applied' }), true).find((each) => each.label === 'Since the change');
    expect(since?.tone).toBe('harm');
    expect(since?.statements.map((each) => each.text)).not.toContain('Observational');
    expect(since?.statements[0]).toEqual({ text: 'p95 latency 5.8 s', note: 'beyond its limit' });
  });

  it('does not make up what is not there', () => {
    const early = aCase({ tiles: [], proposals: [], finding: null });
    expect(said(brief(early, null, true))).toMatchObject({
      'What happened': ['Answers are slow | 2 of 2 signals firing'],
      'What is proposed': ['Nothing yet: triage is on its way'],
    });
    const blind = aProposal({ blast_radius: null, effect: 'widens' });
    expect(said(brief(null, blind, false))['What it would change']).toEqual([
      'Widens exposure',
      'For how many is not known',
    ]);
    expect(brief(null, null, false)).toEqual([]);
  });

  it('keeps to three statements and counts the rest', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((each) => tile(each, '9', 'harm'));
    const told = brief(aCase({ tiles: many }), null, false)[0]?.statements;
    expect(told?.length).toBe(4);
    expect(told?.at(-1)?.text).toBe('and 2 more');
  });

  it('is about the proposal that waits, else the newest', () => {
    const rows = [
      { id: 'new', status: 'rejected' },
      { id: 'old', status: 'pending' },
    ] as unknown as CaseView['proposals'];
    expect(mainProposal(aCase({ proposals: rows }))?.id).toBe('old');
    expect(mainProposal(aCase({ proposals: rows.slice(0, 1) }))?.id).toBe('new');
    expect(mainProposal(aCase({ proposals: [] }))).toBeUndefined();
  });
});
