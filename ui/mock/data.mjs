/** Realistic data for looking at the pages: the support assistant whose reranked profile got slow. */

const MINUTE = 60_000;
export const ago = (minutes) => new Date(Date.now() - minutes * MINUTE).toISOString();
export const ahead = (minutes) => ago(-minutes);
export const sha = (seed) => {
  let hash = '';
  for (let i = 0, x = [...seed].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) >>> 0, 7); i < 64; i += 1) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    hash += ((x >>> 16) & 15).toString(16);
  }
  return `sha256:${hash}`;
};

export const PLACE = { project: 'support', environment: 'production' };
export const FLAG = 'support_answer_profile';
const OWNER = 'support_ai_platform_owner';
const MANAGER = 'release_manager';

export const people = {
  ines: { username: 'ines', name: 'Ines Carvalho', roles: [OWNER] },
  mara: { username: 'mara', name: 'Mara Lindqvist', roles: ['break_glass', MANAGER, 'security'] },
  otto: { username: 'otto', name: 'Otto Brandt', roles: [] },
};
export const PASSWORD = 'correct horse battery';

const line = (text, marker = 'same') => ({ marker, text });
const STAFF = 'if targetingKey in segment internal-staff -> reranker_v2';
const PRO = (share) => `if plan in (pro, enterprise) -> ${share} % reranker_v2, ${100 - share} % baseline`;
const REST = 'otherwise -> baseline';

export const gaps = [
  {
    id: 'gap-not_joined-citation_failure_rate',
    kind: 'not_joined',
    sentence:
      'citation_failure_rate is not joined to the variation that was assigned, so it can neither support nor contradict this proposal.',
    what_to_do: 'send the evaluator’s results with the conversation id.',
  },
];

export const tiles = (after = false) => [
  {
    guardrail: 'p95 latency',
    metric: 'answer_latency_ms',
    value: after ? 2090 : 3180,
    text: after ? '2,090 ms' : '3,180 ms',
    limit_text: 'limit 2,500 ms',
    change_text: after ? '-1 % against baseline' : '+48 % against baseline',
    state: after ? 'safe' : 'harm',
  },
  {
    guardrail: 'manual correction rate',
    metric: 'manual_correction',
    value: 0.098,
    text: after ? '4.2 %' : '9.8 %',
    limit_text: 'limit 6.0 %',
    change_text: after ? '' : '+5.7 points against baseline',
    state: after ? 'safe' : 'harm',
  },
  {
    guardrail: 'citation failure rate',
    metric: 'citation_failure_rate',
    value: null,
    text: 'not joined',
    limit_text: 'limit 2.0 %',
    change_text: '',
    state: 'gap',
  },
  {
    guardrail: 'cost per answer',
    metric: 'answer_cost_dollars',
    value: 0.021,
    text: '$0.021',
    limit_text: 'limit $0.030',
    change_text: '+4 % against baseline',
    state: 'unknown',
  },
];

export const finding = {
  id: 'finding-3k5m2q7x9a1b',
  author: 'analyst',
  at: ago(29),
  summary:
    'p95 latency of conversations assigned reranker_v2 has been above the 2,500 ms limit for 35 minutes. Manual corrections rose from 4.1 % to 9.8 % in the same cohort. Baseline traffic is unchanged, so the candidate profile is the most likely control.',
  recommendation: 'reduce_to_internal',
  reason:
    'Both breached guardrails separate by the assigned variation and not by plan, region or deploy. The rollout rose from 1 % to 10 % six minutes before the first breach.',
  confidence: 0.86,
  suspects: [
    {
      flag: FLAG,
      surface: 'retrieval',
      variation: 'reranker_v2',
      rule: 'pro-10',
      cohort: { plan: ['pro', 'enterprise'] },
      confidence: 0.86,
      because: 'the candidate’s cohort differs from its baseline on both metrics, and changed last before the signal',
    },
    {
      flag: 'support_tone',
      surface: 'prompt',
      variation: 'warm',
      rule: null,
      cohort: {},
      confidence: 0.12,
      because: 'it changed three days earlier, and latency does not separate by it',
    },
  ],
  citations: [
    {
      evidence: 'ev-7q2m4k9x1c5d',
      path: 'verdicts.0.candidate_value',
      value: 3180,
      says: 'p95 latency of the candidate is 3,180 ms',
      supported: true,
      why_not: '',
    },
    {
      evidence: 'ev-7q2m4k9x1c5d',
      path: 'verdicts.1.candidate_value',
      value: 0.098,
      says: 'corrections of the candidate are at 9.8 %',
      supported: true,
      why_not: '',
    },
    {
      evidence: 'ev-1a8c3n6p0r4t',
      path: 'weights.after',
      value: 12,
      says: 'the rollout was raised to 12 %',
      supported: false,
      why_not: 'it says `10` there',
    },
  ],
  gaps,
  lower_rungs: [
    'Excluding the enterprise plan would leave the pro plan with the same latency.',
    'Reducing to 1 % would leave paying customers on an answer profile that breaches its limits.',
    'A pause keeps the present 10 % exposed.',
  ],
  warnings: [
    'The experiment `rerank_quality` on `support_answer_profile` runs, and at 08:12 UTC it was judged by answer_rating, and is by handling_time. Its result is marked; to change it back, or to keep the change, is for people to decide.',
  ],
  steps: [
    {
      evidence: 'ev-9r2b5d7f1h3j',
      runbook: 'support/answers-slow.md',
      heading: 'Slow answers',
      line: 14,
      text: 'Tell #support-duty that answers are slow, and that a proposal waits.',
    },
    {
      evidence: 'ev-9r2b5d7f1h3j',
      runbook: 'support/answers-slow.md',
      heading: 'Slow answers',
      line: 15,
      text: 'Look at the queue of the reranker; if it is over 200, page the search team.',
    },
  ],
};

/** Another assistant, which would go less far and invents a figure. */
export const opinions = [
  {
    finding: {
      ...finding,
      id: 'finding-8t1r5v3n7b2c',
      author: 'token-5n2x8c1v4b7m',
      at: ago(27),
      summary:
        'The new reranker answers later than the baseline for paying plans: p95 3,180 ms, which is 2.4 times what it was.',
      recommendation: 'reduce_percentage',
      reason: 'The breach began with the raise. A lower share bounds the harm while the search team looks.',
      confidence: 0.7,
      suspects: [{ ...finding.suspects[0], confidence: 0.7, because: 'it was raised just before the breach' }],
      citations: [
        finding.citations[0],
        {
          evidence: 'ev-7q2m4k9x1c5d',
          path: 'verdicts.1.candidate_value',
          value: 0.12,
          says: 'corrections of the candidate are at 12 %',
          supported: false,
          why_not: 'it says `0.098` there',
        },
      ],
      gaps: [],
      lower_rungs: [],
      warnings: [],
      steps: [],
    },
    provenance: {
      provider: 'anthropic',
      model: 'claude-sonnet-5',
      prompt: `sha256:${'3f'.repeat(32)}`,
      answer: `sha256:${'a9'.repeat(32)}`,
      requests: 4,
      input_tokens: 18420,
      output_tokens: 911,
      seconds: 11.3,
    },
    unsupported: [{ field: 'summary', text: '2.4 times' }],
    compared: true,
    differences: [
      { about: 'recommendation', analyst: 'reduce_to_internal', other: 'reduce_percentage' },
      { about: 'cohort', analyst: 'plan enterprise, pro', other: 'everyone' },
    ],
    proposal: null,
  },
];

export const signals = [
  {
    id: 'sig-4m8q1k2x7c9d',
    name: 'SupportAnswerLatencyHigh',
    severity: 'critical',
    source: 'alertmanager',
    status: 'firing',
    url: 'http://prometheus.internal/graph?g0.expr=p95',
    seen: 7,
    summary: 'p95 answer latency of support_assistant above 2.5 s for 10 minutes',
    labels: {
      alertname: 'SupportAnswerLatencyHigh',
      service: 'support_assistant',
      severity: 'critical',
      region: 'eu-west',
    },
    annotations: {
      summary: 'p95 answer latency of support_assistant above 2.5 s for 10 minutes',
      runbook: 'https://runbooks.internal/support/latency',
    },
    starts_at: ago(35),
    received_at: ago(31),
    last_seen_at: ago(1),
    resolved_at: null,
  },
  {
    id: 'sig-9x1c4m8q2k7d',
    name: 'ManualCorrectionsRising',
    severity: 'warning',
    source: 'alertmanager',
    status: 'firing',
    url: '',
    seen: 3,
    summary: 'manual corrections by agents at 9.8 %',
    labels: { alertname: 'ManualCorrectionsRising', service: 'support_assistant' },
    annotations: {},
    starts_at: ago(24),
    received_at: ago(22),
    last_seen_at: ago(2),
    resolved_at: null,
  },
];

export const operations = [
  {
    op: 'set_weights',
    flag: FLAG,
    rule: 'pro-10',
    weights: [
      ['reranker_v2', 0],
      ['baseline', 100000],
    ],
  },
];

export const diffs = [
  {
    flag: FLAG,
    revision: 18,
    now: [
      line('enabled'),
      line('unless support_assistant serves on -> baseline'),
      line(STAFF),
      line(PRO(10), 'removed'),
      line(REST),
    ],
    then: [
      line('enabled'),
      line('unless support_assistant serves on -> baseline'),
      line(STAFF),
      line(PRO(0), 'added'),
      line(REST),
      line('pro-10 is looked after by owner support-ai, review date 2026-12-07', 'added'),
    ],
  },
];

export const blastRadius = {
  sampled_units: 4812,
  since: ago(90),
  until: ago(30),
  changed_units: 462,
  share_before: 0.1004,
  share_after: 0.0044,
  transitions: [{ flag: FLAG, before: 'reranker_v2', after: 'baseline', units: 462, share: 0.096 }],
  changed_traffic: 0.112,
  by_rule: [{ flag: FLAG, before: 'pro-10', after: 'DEFAULT', units: 462 }],
  by_attribute: {
    plan: { pro: 388, enterprise: 74 },
    region: { 'eu-west': 301, 'us-east': 161 },
    account: Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`acct-${1000 + i}`, 40 - 2 * i])),
  },
};

const verdict = (guardrail, status, sentence, more = {}) => ({
  guardrail,
  status,
  sentence,
  reason: '',
  observational: false,
  e_value: null,
  interval: null,
  alpha: 0.0125,
  margin: 0.25,
  candidate_value: null,
  baseline_value: null,
  candidate_units: 481,
  baseline_units: 4331,
  fallback_share: 0.004,
  method: 'label_test',
  version: '1',
  stages: [],
  ...more,
});

export const checkBefore = {
  id: 'check-2k7x9c1d4m8q',
  flag: FLAG,
  phase: 'before',
  change: null,
  at: ago(3),
  since: ago(90),
  until: ago(3),
  gaps,
  verdicts: [
    verdict(
      'p95_latency',
      'breached',
      '38 % of the candidate’s answers take longer than 2,500 ms, against 4 % of the baseline’s: harm is shown.',
      {
        reason: 'harm',
        e_value: 4120,
        interval: [0.29, 0.39],
        candidate_value: 3180,
        baseline_value: 2150,
        stages: [
          {
            rule: 'pro-10',
            stage: 1,
            share: 0.01,
            candidate_units: 52,
            baseline_units: 5100,
            candidate_failures: 3,
            baseline_failures: 210,
            candidate_mean: null,
            baseline_mean: null,
          },
          {
            rule: 'pro-10',
            stage: 2,
            share: 0.1,
            candidate_units: 429,
            baseline_units: 3902,
            candidate_failures: 163,
            baseline_failures: 158,
            candidate_mean: null,
            baseline_mean: null,
          },
        ],
      },
    ),
    verdict(
      'manual_correction_rate',
      'breached',
      '9.8 % of the candidate’s answers were corrected by hand, against 4.1 %: harm is shown.',
      { reason: 'harm', e_value: 96, interval: [0.021, 0.094], candidate_value: 0.098, baseline_value: 0.041 },
    ),
    verdict(
      'citation_failure_rate',
      'cannot_judge',
      'Citation failures carry no unit that was assigned, so nothing can be said.',
      { reason: 'no_data', candidate_units: 0, baseline_units: 0 },
    ),
    verdict('cost_per_answer', 'inconclusive', 'Cost differs by 4 %, which is within what chance does so far.', {
      reason: 'too_early',
      e_value: 0.8,
      interval: [null, 0.006],
      candidate_value: 0.021,
      baseline_value: 0.0202,
    }),
  ],
};

export const checkAfter = () => ({
  ...checkBefore,
  id: 'check-8q2k7x9c1d4m',
  phase: 'after',
  change: 'chg-5d8f2h6j1k3l',
  at: ago(0),
  since: ago(4),
  until: ago(0),
  verdicts: [
    verdict(
      'p95_latency',
      'holding',
      'Since the change no more answers take longer than 2,500 ms than the limit allows.',
      {
        observational: true,
        reason: 'harm_excluded',
        candidate_value: 2090,
        baseline_value: 2150,
        interval: [-0.02, 0.01],
        e_value: 0.02,
      },
    ),
    verdict('manual_correction_rate', 'holding', 'Since the change 4.2 % are corrected by hand.', {
      observational: true,
      reason: 'harm_excluded',
      candidate_value: 0.042,
      baseline_value: 0.041,
    }),
    checkBefore.verdicts[2],
  ],
});

function wave(index, seed) {
  return Math.sin(index * 1.7 + seed) * 0.5 + Math.sin(index * 0.61 + 2 * seed) * 0.5;
}

export function series(appliedAt, minutes = 90) {
  const buckets = 60;
  const until = Date.now();
  const since = until - minutes * MINUTE;
  const at = (index) => since + ((index + 0.5) * (until - since)) / buckets;
  const raised = until - 41 * MINUTE;
  const harm = (time) => {
    if (appliedAt && time > appliedAt) return Math.max(0, 1 - (time - appliedAt) / (2 * MINUTE));
    return Math.min(1, Math.max(0, (time - raised) / (9 * MINUTE)));
  };
  const points = (low, high, noise, seed) =>
    Array.from({ length: buckets }, (_, index) => {
      const value = low + (high - low) * harm(at(index)) + noise * wave(index, seed);
      return {
        at: new Date(at(index)).toISOString(),
        value: index === 17 && seed === 2 ? null : value,
        units: Math.round(40 + 10 * wave(index, seed)),
      };
    });
  const markers = [
    {
      at: new Date(raised).toISOString(),
      text: 'pro-10 of support_answer_profile: 1 % -> 10 % reranker_v2',
      kind: 'change',
    },
    { at: new Date(until - 63 * MINUTE).toISOString(), text: 'deploy support-api 4.18.2', kind: 'change_event' },
    { at: new Date(until - 35 * MINUTE).toISOString(), text: 'SupportAnswerLatencyHigh', kind: 'signal' },
    ...(appliedAt
      ? [
          {
            at: new Date(appliedAt).toISOString(),
            text: 'Reduce support_answer_profile to internal only',
            kind: 'change',
          },
        ]
      : []),
  ].sort((a, b) => a.at.localeCompare(b.at));
  const one = (guardrail, metric, kind, title, unit_label, limit, lines) => ({
    guardrail,
    metric,
    kind,
    title,
    unit_label,
    limit,
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    lines,
    markers,
  });
  const pair = (base, low, high, noise) => [
    { variation: 'baseline', points: points(base, base, noise, 1) },
    { variation: 'reranker_v2', points: points(low, high, noise, 2) },
  ];
  return [
    one('p95_latency', 'answer_latency_ms', 'tail', 'p95 latency', 'ms', 2500, pair(2090, 2120, 3180, 55)),
    one(
      'manual_correction_rate',
      'manual_correction',
      'rate',
      'manual correction rate',
      '',
      0.06,
      pair(0.041, 0.042, 0.098, 0.004),
    ),
    one('citation_failure_rate', 'citation_failure_rate', 'rate', 'citation failure rate', '', 0.02, []),
    one(
      'cost_per_answer',
      'answer_cost_dollars',
      'mean',
      'cost per answer',
      '$',
      0.03,
      pair(0.0202, 0.0206, 0.021, 0.0008),
    ),
  ];
}

const guardrail = (key, metric, kind, limit, unit_label, other_limits = []) => ({
  key,
  metric,
  kind,
  limit,
  unit_label,
  margin: 0.25,
  denominator: '',
  query: '',
  other_limits,
});

export const flagRows = [
  {
    key: FLAG,
    type: 'string',
    enabled: true,
    surface: 'retrieval',
    kind: 'temporary',
    owner: 'support-ai',
    purpose: 'which retrieval profile the assistant answers from',
    baseline: 'baseline',
    revision: 18,
    archived: false,
    review_date: '2026-12-07',
    overdue: false,
    reach: 'all by internal, 10 % by pro-10',
    changed_at: ago(41),
  },
  {
    key: 'support_assistant',
    type: 'boolean',
    enabled: true,
    surface: 'incident_mode',
    kind: 'permanent',
    owner: 'support-ai',
    purpose: 'whether the assistant answers support conversations at all',
    baseline: 'off',
    revision: 3,
    archived: false,
    review_date: null,
    overdue: false,
    reach: 'all of the rest',
    changed_at: ago(60 * 24 * 12),
  },
  {
    key: 'support_tone',
    type: 'string',
    enabled: true,
    surface: 'prompt',
    kind: 'temporary',
    owner: 'support-content',
    purpose: 'the tone of the answers',
    baseline: 'neutral',
    revision: 5,
    archived: false,
    review_date: '2026-10-01',
    overdue: true,
    reach: '50 % of the rest',
    changed_at: ago(60 * 24 * 3),
  },
  {
    key: 'refund_tool',
    type: 'boolean',
    enabled: false,
    surface: 'tool',
    kind: 'temporary',
    owner: 'payments',
    purpose: 'whether the agent may draft refunds',
    baseline: 'off',
    revision: 1,
    archived: false,
    review_date: '2027-01-15',
    overdue: false,
    reach: 'off: baseline for everyone',
    changed_at: ago(60 * 24 * 30),
  },
];

export const flagView = (row) => ({
  ...row,
  document: {
    key: row.key,
    type: row.type,
    enabled: row.enabled,
    unit: 'conversation',
    salt: row.key,
    bucketing: 'twokey-1',
    revision: row.revision,
    variations: [
      { key: 'baseline', value: 'baseline' },
      { key: 'reranker_v2', value: 'reranker_v2' },
    ],
    rules: [
      {
        id: 'internal',
        clauses: [{ attribute: 'targetingKey', operator: 'in_segment', values: ['internal-staff'] }],
        serve: { variation: 'reranker_v2' },
      },
      {
        id: 'pro-10',
        clauses: [{ attribute: 'plan', operator: 'in', values: ['pro', 'enterprise'] }],
        serve: {
          rollout: {
            weights: [
              ['reranker_v2', 10000],
              ['baseline', 90000],
            ],
          },
        },
      },
    ],
    otherwise: { variation: 'baseline' },
  },
  lines: [
    line('enabled'),
    line('unless support_assistant serves on -> baseline'),
    line(STAFF),
    line(PRO(10)),
    line(REST),
  ],
  approvers: [OWNER],
  guardrails: [
    guardrail('p95_latency', 'answer_latency_ms', 'tail', 2500, 'ms', [800, 9000]),
    guardrail('manual_correction_rate', 'manual_correction', 'rate', 0.06, ''),
    guardrail('citation_failure_rate', 'citation_failure_rate', 'rate', 0.02, ''),
  ],
  caution: ['baseline', 'reranker_v2'],
  workflow: 'support_assistant',
  cleanup_condition: 'reranker_v2 is the baseline, or removed',
  permanent_because: '',
  history: [
    {
      revision: 18,
      environment_revision: 18,
      at: ago(41),
      change: 'chg-1',
      summary: 'pro-10 of support_answer_profile: 1 % -> 10 % reranker_v2',
      applied_by: 'ines',
    },
    {
      revision: 17,
      environment_revision: 16,
      at: ago(60 * 26),
      change: 'chg-0',
      summary: 'pro-10 of support_answer_profile: 0.1 % -> 1 % reranker_v2',
      applied_by: 'ines',
    },
    { revision: 1, environment_revision: 2, at: ago(60 * 24 * 9), change: 'chg-00', summary: '', applied_by: 'system' },
  ],
  exposures: [
    { rule: null, assigned: 'baseline', served: 'baseline', units: 12894 },
    { rule: 'pro-10', assigned: 'reranker_v2', served: 'reranker_v2', units: 471 },
    { rule: 'pro-10', assigned: 'baseline', served: 'baseline', units: 4331 },
    { rule: 'pro-10', assigned: 'reranker_v2', served: 'baseline', units: 10 },
    { rule: 'internal', assigned: 'reranker_v2', served: 'reranker_v2', units: 21 },
  ],
});

export const explanation = {
  value: 'reranker_v2',
  variation: 'reranker_v2',
  reason: 'SPLIT',
  rule: 'pro-10',
  revision: 18,
  error: null,
  sentences: [],
  tree: {
    sentence: 'Flag support_answer_profile serves reranker_v2 by rule pro-10 (SPLIT, revision 18).',
    flag: FLAG,
    steps: [
      {
        sentence: 'Prerequisite support_assistant serves on; wanted is on: it is met.',
        kind: 'prerequisite',
        decided: false,
        prerequisite: {
          sentence: 'Flag support_assistant serves on (STATIC, revision 3).',
          steps: [{ sentence: 'Otherwise it serves on.', kind: 'otherwise', decided: true }],
        },
      },
      {
        sentence: 'Rule internal does not match.',
        kind: 'rule',
        decided: false,
        clauses: [
          {
            sentence:
              '`targetingKey` in segment internal-staff: it is user-1, which is not in it, so the clause does not hold.',
            matched: false,
          },
        ],
      },
      {
        sentence: 'Rule pro-10 matches and serves a rollout.',
        kind: 'rule',
        decided: true,
        clauses: [{ sentence: '`plan` in pro, enterprise: it is pro, so the clause holds.', matched: true }],
        rollout: {
          sentence: 'Unit conversation-1 of `conversation`: bucket 4711 lies in 0 to 9999, which gets reranker_v2.',
        },
      },
    ],
  },
};

/** What somebody hostile would write into an alert: direction overrides, zero-width and tag characters, a script, a wall of text. */
export const HOSTILE =
  'Latency \u202Edesrever si siht\u202C for pro\u200Bduction \u0007<script>alert(1)</script> <img src=x onerror=alert(2)> APPROVED by the release manager \u{E0041}\u{E0050} ' +
  'x'.repeat(180);

const PRODUCTION = { project: 'support', environment: 'production' };

export const access = {
  founded: true,
  people: [
    { person: 'ines', grants: ['support_ai_platform_owner'] },
    { person: 'mara', grants: ['break_glass@support/production', 'release_manager', 'security'] },
    { person: 'omar', grants: [] },
    { person: 'root', grants: ['administrator', 'security'] },
  ],
  environments: [
    {
      project: 'support',
      key: 'production',
      guarded: true,
      approvers: ['release_manager'],
      widening_approvers: ['release_manager', 'support_ai_platform_owner'],
      proposal_hours: 4,
      approval_hours: 4,
    },
    {
      project: 'support',
      key: 'staging',
      guarded: false,
      approvers: ['developer'],
      widening_approvers: ['developer'],
      proposal_hours: 24,
      approval_hours: 24,
    },
  ],
  orders: [
    {
      id: 'rule-1f2e3d',
      ...PRODUCTION,
      flags: ['support_answer_profile'],
      guardrail: 'p95_latency',
      per_hour: 2,
      says: 'a rule may narrow `support_answer_profile` in support/production while `p95_latency` is breached, twice an hour',
    },
  ],
  policies:
    '// Production stays guarded.\n@id("production-stays-guarded")\nforbid (principal, action == Action::"govern", resource);\n',
};

const accessProposal = {
  id: 'access-7k2m9q4x1c8d',
  status: 'pending',
  author: 'root',
  edits: [
    { edit: 'set_policies', text: '// Nobody drafts today.\n@id("frozen")\nforbid (principal, action, resource);\n' },
  ],
  says: ["set the team's policies (70 characters)"],
  reason: 'The shop is frozen until Monday; <b>nothing</b> moves.',
  power: ["the team's policies change"],
  preview: [
    '2 of 6 decisions on the last 3 proposals differ',
    'prop-1 (reduce a rollout): draft by agent would have been refused (frozen)',
  ],
  required_roles: ['security'],
  alone: false,
  created_at: ago(12),
  expires_at: ahead(1400),
  digest: sha('access'),
  answers: [],
  may: ['approve', 'reject'],
};

export const accessProposals = [
  accessProposal,
  {
    ...accessProposal,
    id: 'access-old',
    status: 'rejected',
    edits: [{ edit: 'grant_role', person: 'omar', grant: 'administrator' }],
    says: ['give omar the role `administrator`'],
    reason: 'so that he can help',
    power: ['omar is given `administrator`'],
    preview: [],
    answers: [{ person: 'mara', answer: 'no', at: ago(3000), note: 'not needed' }],
    may: [],
  },
];

const PLAN_STAGES = [
  { share: 25_000, minutes: 60, units: 500, opens: 'verdict', at_most: null },
  { share: 50_000, minutes: 120, units: 2000, opens: 'verdict', at_most: null },
  { share: 100_000, minutes: 1440, units: 100, opens: 'time', at_most: null },
];

export const rollout = {
  id: 'rollout-1a2b3c4d5e6f',
  ...PRODUCTION,
  flag: 'support_answer_profile',
  proposal: 'prop-rollout',
  status: 'paused',
  plan: {
    flag: 'support_answer_profile',
    rule: 'pro-10',
    candidate: 'reranker_v2',
    stages: PLAN_STAGES,
    says: ['stage 1', 'stage 2', 'stage 3'],
  },
  stage: 1,
  started_at: ago(200),
  entered_at: ago(130),
  looked_at: ago(0),
  because: 'nobody is known to have met the candidate in this stage: is its telemetry sent?',
  units: 0,
  verdicts: [],
  steps: [
    { at: ago(200), what: 'running', sentence: 'change-1 began the first stage', by: 'mara' },
    { at: ago(130), what: 'advanced', sentence: 'change-2: stage 2 of 3: every guardrail holds', by: 'schedule' },
    { at: ago(10), what: 'paused', sentence: 'nobody is known to have met the candidate', by: 'twokey' },
  ],
  may: ['resume', 'stop', 'roll-back'],
};

export const experiments = () => [
  {
    key: 'reranker',
    flag: FLAG,
    hypothesis: 'Reranked passages solve more questions at once, because the right one stands first.',
    candidate: 'reranker_v2',
    baseline: 'baseline',
    rule: 'pro-10',
    audience: 'plan in (pro, enterprise)',
    split: '50 % reranker_v2, 50 % baseline',
    primary: {
      metric: 'solved',
      kind: 'rate',
      better: 'higher',
      limit: 0.5,
      title: 'solved at once',
      unit_label: '',
      denominator: '',
    },
    ends: '2026-12-15',
    began_at: ago(60 * 30),
    began_by: 'chg-1a1a1a1a1a1a',
    ended_at: null,
    finding: 'better',
    advice: 'inconclusive',
    sentence:
      'solved at once: 52 % on the candidate, 47 % on the baseline (1,490 and 1,510 units); the difference is between +2.1 % and +19 % (95 % sure, at any number of looks); what was fixed at the start was changed while it ran',
    because: 'the hypothesis holds; it is too early for manual_correction_rate',
    interval: [1.021, 1.19],
    alpha: 0.05,
    verdict: verdict('primary', 'inconclusive', ''),
    guardrails: [verdict('manual_correction_rate', 'inconclusive', 'manual correction rate: too early to tell')],
    marks: [
      {
        at: ago(300),
        what: 'its guardrails were changed',
        change: 'chg-2b2b2b2b2b2b',
        justification: 'corrections by bots were counted',
      },
    ],
  },
  {
    key: 'first-try',
    flag: FLAG,
    hypothesis: 'The same, at a tenth.',
    candidate: 'reranker_v2',
    baseline: 'baseline',
    rule: 'pro-10',
    audience: 'plan in (pro, enterprise)',
    split: '10 % reranker_v2, 90 % baseline',
    primary: {
      metric: 'solved',
      kind: 'rate',
      better: 'higher',
      limit: 0.5,
      title: 'solved at once',
      unit_label: '',
      denominator: '',
    },
    ends: null,
    began_at: ago(60 * 100),
    began_by: 'chg-3c3c3c3c3c3c',
    ended_at: ago(60 * 40),
    finding: 'undecided',
    advice: 'inconclusive',
    sentence: 'solved at once: 48 % on the candidate, 47 % on the baseline (180 and 1,610 units)',
    because: 'no difference is shown yet, either way; it may go on',
    interval: [0.84, 1.24],
    alpha: 0.05,
    verdict: verdict('primary', 'inconclusive', ''),
    guardrails: [],
    marks: [],
  },
];
