/** The mock's memory: one case with its proposal, and the moves that people make on them. */

import * as data from './data.mjs';

const { ago, ahead, sha, PLACE, FLAG } = data;

const gate = (proposal) => {
  const roles = proposal.keys.map((key) => ({
    status: key.status === 'approved' ? 'open' : 'waiting',
    sentence: key.status === 'approved' ? `${key.role}: ${key.person} approved` : `${key.role}: waiting`,
    rule: key.role,
    children: [],
  }));
  const missing = proposal.keys.filter((key) => key.status !== 'approved').map((key) => key.role);
  const leaf = (sentence, rule, status = 'open') => ({ status, sentence, rule, children: [] });
  const quorum = {
    status: missing.length ? 'waiting' : 'open',
    sentence: missing.length ? `waiting for ${missing.join(' and ')}` : 'every required role has approved',
    rule: 'quorum',
    children: roles,
  };
  const children = [
    leaf('the content has its digest', 'digest'),
    leaf(`valid until ${proposal.expires_at.slice(0, 16).replace('T', ' ')} UTC`, 'expiry'),
    leaf('agent may draft: reduce a rollout in production', 'draft'),
    leaf('nothing further is needed', 'needs'),
    leaf('nobody rejected it', 'veto'),
    quorum,
  ];
  return {
    status: quorum.status,
    sentence: missing.length ? quorum.sentence : 'both keys are turned',
    rule: 'reduce',
    children,
  };
};

export function fresh(empty = false) {
  const proposal = {
    id: 'prop-7k2m9q4x1c8d',
    case: 'case-3n6p0r4t8v2w',
    ...PLACE,
    title: `Reduce ${FLAG} to internal only`,
    status: 'pending',
    action: 'reduce_rollout',
    effect: 'narrows',
    author: 'analyst',
    author_kind: 'agent',
    on_behalf_of: null,
    joint: [],
    plan: null,
    created_at: ago(28),
    expires_at: ahead(41),
    digest: sha('one'),
    approved: 1,
    required: 2,
    reason:
      'Both breached guardrails separate by the assigned variation. Taking paying conversations back to the baseline stops the harm; staff keep the candidate, so that it can be mended.',
    expected_effect: 'p95 latency of the cohort back under 2,500 ms within five minutes, corrections back under 6 %.',
    lower_rungs: data.finding.lower_rungs,
    effect_because: [
      'every context that got reranker_v2 by pro-10 gets the baseline',
      'no other context resolves differently',
      'no flag depends on this one',
    ],
    operations: data.operations,
    sentences: [`${FLAG}: rule pro-10 serves 0 % reranker_v2, 100 % baseline (was 10 % and 90 %)`],
    diffs: data.diffs,
    reverse: {
      sentences: [`${FLAG}: rule pro-10 serves 10 % reranker_v2, 90 % baseline`],
      effect: 'widens',
      approved_with_it: false,
    },
    rollback: {
      sentences: [`${FLAG}: rule internal serves baseline`, `${FLAG}: rule pro-10 serves baseline`],
      effect: 'narrows',
      approved_with_it: true,
    },
    keys: [
      {
        role: 'support_ai_platform_owner',
        status: 'approved',
        person: 'ines',
        name: 'Ines Carvalho',
        at: ago(24),
        yours: false,
      },
      { role: 'release_manager', status: 'waiting', person: null, name: null, at: null, yours: false },
    ],
    gaps: data.gaps,
    evidence: { 'ev-7q2m4k9x1c5d': sha('ev1') },
    rests_on: '1,400 distinct units of the candidate and 1,300 of the baseline (p95_latency)',
    footings: [],
    finding: data.finding.id,
    blast_radius: data.blastRadius,
    base_revision: 18,
    apply: 'when_open',
    apply_at: null,
    supersedes: null,
    change: null,
    why_not: '',
  };
  const other = {
    ...proposal,
    id: 'prop-0a1b2c3d4e5f',
    case: null,
    title: `Turn on refund_tool for a very_long_segment_name_that_never_ends_${'abcdefghij'.repeat(6)}`,
    action: 'expand_rollout',
    effect: 'widens',
    author: 'ops-agent',
    on_behalf_of: 'otto',
    digest: sha('two'),
    approved: 0,
    status: 'pending',
    expires_at: ahead(9),
    created_at: ago(80),
    keys: [
      { role: 'payments_owner', status: 'waiting', person: null, name: null, at: null, yours: false },
      { ...proposal.keys[1] },
    ],
    blast_radius: null,
    gaps: [],
    evidence: {},
    operations: [{ op: 'set_enabled', flag: 'refund_tool', enabled: true }],
    diffs: [
      {
        flag: 'refund_tool',
        revision: 1,
        now: [{ marker: 'removed', text: 'disabled -> off for everyone' }],
        then: [
          { marker: 'added', text: 'enabled' },
          { marker: 'added', text: `if account is one of (${'acct-9999, '.repeat(30)}) -> on` },
        ],
      },
    ],
    sentences: ['refund_tool: switch it on'],
    lower_rungs: [],
    expected_effect: '',
    reason: data.HOSTILE,
  };
  return {
    signedIn: null,
    proposals: empty ? [] : [proposal, other],
    change: null,
    notes: [],
    closed: null,
    owner: null,
    tick: 1,
    entries: empty ? [] : audit(),
    series: data.series,
    empty,
  };
}

function audit() {
  const actors = {
    analyst: { id: 'analyst', kind: 'agent' },
    ines: { id: 'ines', kind: 'person' },
    alertmanager: { id: 'alertmanager', kind: 'service' },
    coder: { id: 'ops-agent', kind: 'agent', on_behalf_of: 'otto' },
  };
  const told = [
    ['environment.create', 'production', 'ines', 'done', null, { flags: 4 }],
    ...Array.from({ length: 58 }, (_, i) => ['token.use', `token-${i}`, 'coder', 'done', null, { read: 'flags' }]),
    [
      'signal.receive',
      'sig-4m8q1k2x7c9d',
      'alertmanager',
      'done',
      'case-3n6p0r4t8v2w',
      { name: 'SupportAnswerLatencyHigh', outcome: 'opened' },
    ],
    [
      'case.open',
      'case-3n6p0r4t8v2w',
      'alertmanager',
      'done',
      'case-3n6p0r4t8v2w',
      { title: 'Answer latency of support_assistant' },
    ],
    [
      'case.triage',
      'case-3n6p0r4t8v2w',
      'analyst',
      'done',
      'case-3n6p0r4t8v2w',
      { summary: 'reranker_v2 is the most likely control' },
    ],
    [
      'proposal.draft',
      'prop-7k2m9q4x1c8d',
      'analyst',
      'done',
      'case-3n6p0r4t8v2w',
      { title: `Reduce ${FLAG} to internal only`, digest: sha('one') },
    ],
    [
      'refused.approve',
      'prop-7k2m9q4x1c8d',
      'coder',
      'refused',
      'case-3n6p0r4t8v2w',
      { problem: 'only a person turns a key' },
    ],
    [
      'proposal.approve',
      'prop-7k2m9q4x1c8d',
      'ines',
      'done',
      'case-3n6p0r4t8v2w',
      { role: 'support_ai_platform_owner', digest: sha('one') },
    ],
  ];
  return told.map(([action, subject, who, outcome, of, detail], index) =>
    entry(index, {
      action,
      subject,
      actor: actors[who],
      outcome,
      case: of,
      detail,
      at: ago(60 - Math.min(59, index / 2)),
    }),
  );
}

const entry = (index, more) => ({ index, ...PLACE, previous: sha(`e${index - 1}`), hash: sha(`e${index}`), ...more });

export function record(state, action, subject, detail, outcome = 'done') {
  const who = state.signedIn;
  state.entries.push(
    entry(state.entries.length, {
      action,
      subject,
      actor: { id: who?.username ?? '', kind: 'person' },
      outcome,
      case: 'case-3n6p0r4t8v2w',
      detail,
      at: ago(0),
    }),
  );
  state.tick += 1;
}

export function view(state, proposal) {
  const mine = state.signedIn?.roles ?? [];
  const pending = proposal.status === 'pending';
  const answered = proposal.keys.some((key) => key.person === state.signedIn?.username);
  const key =
    pending && !answered && proposal.keys.some((each) => each.status === 'waiting' && mine.includes(each.role));
  const needs = `it needs ${proposal.keys.map((each) => each.role).join(' and ')}`;
  return {
    ...proposal,
    keys: proposal.keys.map((each) => ({
      ...each,
      yours: key && each.status === 'waiting' && mine.includes(each.role),
    })),
    gate: gate(proposal),
    may: key ? ['approve', 'reject', 'edit'] : pending ? ['edit'] : [],
    why_not: key
      ? ''
      : !pending
        ? `the proposal is ${proposal.status}`
        : answered
          ? 'you have answered this digest'
          : needs,
  };
}

export function approve(state, proposal) {
  const key = proposal.keys.find((each) => each.status === 'waiting' && state.signedIn.roles.includes(each.role));
  Object.assign(key, { status: 'approved', person: state.signedIn.username, name: state.signedIn.name, at: ago(0) });
  proposal.approved += 1;
  record(state, 'proposal.approve', proposal.id, { role: key.role });
  if (proposal.approved === proposal.required) applyChange(state, proposal);
}

function applyChange(state, proposal) {
  state.change = {
    id: 'chg-5d8f2h6j1k3l',
    ...PLACE,
    cause: 'proposal',
    case: proposal.case,
    proposal: proposal.id,
    summary: proposal.title,
    action: proposal.action,
    effect: proposal.effect,
    flags: [FLAG],
    revision_before: 18,
    revision_after: 19,
    applied_by: state.signedIn.username,
    applied_at: ago(0),
    undoes: null,
    may_reverse: true,
  };
  proposal.status = 'applied';
  proposal.change = state.change.id;
  record(state, 'change.apply', state.change.id, { summary: state.change.summary });
}

const STEPS = ['signal', 'triage', 'proposal', 'approval', 'change', 'evidence', 'decision'];

export function caseRow(state) {
  const waits = state.proposals[0].status === 'pending';
  const status = state.closed ? 'closed' : state.change ? 'watching' : waits ? 'acting' : 'triaged';
  return {
    id: 'case-3n6p0r4t8v2w',
    ...PLACE,
    title: 'Answer latency and corrections of support_assistant',
    severity: 'critical',
    status,
    owner: state.owner,
    opened_at: ago(31),
    updated_at: ago(1),
    firing: 2,
    signals: 2,
    waiting_for: state.closed
      ? ''
      : state.change
        ? 'evidence, then the decision'
        : waits
          ? '1 of 2 keys'
          : 'a person to decide',
    flag: FLAG,
  };
}

export function caseView(state) {
  const at = state.closed ? 7 : state.change ? 5 : 3;
  const row = caseRow(state);
  return {
    ...row,
    steps: STEPS.map((key, index) => ({
      key,
      label: key[0].toUpperCase() + key.slice(1),
      status: index < at ? 'done' : index === at ? 'current' : 'ahead',
    })),
    signal_list: data.signals,
    finding: data.finding,
    opinions: data.opinions,
    tiles: data.tiles(Boolean(state.change)),
    gaps: data.gaps,
    evidence: [
      {
        id: 'ev-7q2m4k9x1c5d',
        kind: 'verdict',
        title: 'Guardrails of support_answer_profile over 90 minutes',
        at: ago(29),
        sha256: sha('ev1'),
        body: {
          verdicts: [
            { guardrail: 'p95_latency', candidate_value: 3180 },
            { guardrail: 'manual_correction_rate', candidate_value: 0.098 },
          ],
        },
      },
      {
        id: 'ev-1a8c3n6p0r4t',
        kind: 'change',
        title: 'Revision 18: rollout 1 % to 10 %',
        at: ago(29),
        sha256: sha('ev2'),
        body: { weights: { before: 1, after: 10 }, note: data.HOSTILE },
      },
    ],
    proposals: [state.proposals[0]].map((each) => view(state, each)),
    changes: state.change ? [state.change] : [],
    checks: state.change ? [data.checkAfter(), data.checkBefore] : [data.checkBefore],
    notes: state.notes,
    timeline: state.entries
      .filter((each) => each.case)
      .map((each) => ({
        at: each.at,
        step:
          each.action.startsWith('signal') || each.action === 'case.open'
            ? 'signal'
            : each.action.startsWith('change')
              ? 'change'
              : each.action.includes('approve')
                ? 'approval'
                : each.action.startsWith('proposal')
                  ? 'proposal'
                  : 'triage',
        actor: each.actor.id,
        actor_kind: each.actor.kind,
        text: `${each.action.replaceAll('.', ' ')}: ${Object.values(each.detail)[0]}`,
        outcome: each.outcome,
        entry: each.index,
      })),
    decision: state.closed,
    may_close: state.closed ? [] : state.change ? ['expand', 'continue', 'pause', 'roll_back', 'clean_up'] : [],
    why_not_close: state.closed ? 'the case is closed' : state.change ? '' : 'a proposal of this case still waits',
  };
}

/** A case as an attacker would like it: nothing known yet, and every text hostile. */
export const hostileRow = () => ({
  id: 'case-0h0s0t0i0l0e',
  ...PLACE,
  title: data.HOSTILE,
  severity: 'warning',
  status: 'open',
  owner: null,
  opened_at: ago(2),
  updated_at: ago(0),
  firing: 1,
  signals: 1,
  waiting_for: 'triage',
  flag: null,
});

export const hostileCase = () => ({
  ...hostileRow(),
  steps: STEPS.map((key, index) => ({
    key,
    label: key[0].toUpperCase() + key.slice(1),
    status: index < 1 ? 'done' : index === 1 ? 'current' : 'ahead',
  })),
  signal_list: [
    {
      ...data.signals[0],
      name: data.HOSTILE,
      summary: data.HOSTILE,
      labels: { ['k\u202E' + 'y'.repeat(90)]: data.HOSTILE },
    },
  ],
  finding: null,
  opinions: [
    {
      finding: {
        ...data.opinions[0].finding,
        summary: data.HOSTILE,
        reason: data.HOSTILE,
        suspects: [],
        citations: [],
      },
      provenance: { ...data.opinions[0].provenance, model: data.HOSTILE, provider: data.HOSTILE },
      unsupported: [{ field: 'summary', text: data.HOSTILE }],
      compared: false,
      differences: [{ about: data.HOSTILE, analyst: data.HOSTILE, other: data.HOSTILE }],
      proposal: null,
    },
  ],
  tiles: [],
  gaps: [],
  evidence: [],
  proposals: [],
  changes: [],
  checks: [],
  notes: [{ at: ago(1), author: 'ops-agent', text: data.HOSTILE }],
  timeline: [],
  decision: null,
  may_close: ['no_action', 'resolved_by_itself'],
  why_not_close: '',
});
