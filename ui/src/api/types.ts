/**
 * The shapes of the JSON API, written from `twokey/surfaces/http_api/models` by `checks/api_types.py`.
 * Times are RFC 3339 in UTC.
 */

/** An RFC 3339 time in UTC. */
export type Timestamp = string;
/** A calendar day, `2026-11-29`. */
export type Day = string;

/** Fresh proof: exactly one of the password, a code of one's app, and a passkey that signed what was asked. What a passkey shall sign is asked for with `POST /session/challenge`, about what the call says. */
export interface Proven {
  password?: string | null;
  code?: string | null;
  passkey?: Record<string, unknown> | null;
}

/** A node of the gate's explanation tree. */
export interface GateView {
  status: 'open' | 'waiting' | 'refused';
  sentence: string;
  rule: string;
  children: GateView[];
}

/** An RFC 9457 problem: `type` names the kind, `field` and `accepted` say what to change. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  field?: string | null;
  accepted?: string | null;
  remedy?: string | null;
  gate?: GateView | null;
}

/** The secret of a one-time link: `/invitation#SECRET` in the control room. Shown this once. */
export interface Invitation {
  invitation: string;
}

export interface CaseRow {
  id: string;
  project: string;
  environment: string;
  title: string;
  severity: string;
  status: 'open' | 'triaged' | 'acting' | 'watching' | 'closed';
  owner: string | null;
  opened_at: Timestamp;
  updated_at: Timestamp;
  firing: number;
  signals: number;
  waiting_for: string;
  flag: string | null;
}

/** One case whole, ready for the page. */
export interface CaseView extends CaseRow {
  steps: StepView[];
  signal_list: SignalView[];
  finding: FindingView | null;
  opinions: OpinionView[];
  tiles: Tile[];
  gaps: GapView[];
  evidence: EvidenceView[];
  proposals: ProposalRow[];
  changes: ChangeView[];
  checks: CheckView[];
  notes: NoteView[];
  timeline: TimelineItem[];
  decision: DecisionView | null;
  may_close: string[];
  why_not_close: string;
}

export interface CitationView {
  evidence: string;
  path: string;
  value: unknown;
  says: string;
  supported: boolean;
  why_not: string;
}

export interface CloseCase {
  choice: 'expand' | 'continue' | 'pause' | 'roll_back' | 'clean_up' | 'no_action' | 'resolved_by_itself';
  rationale: string;
  outcome: string;
  owner: string;
  review_date: Day;
}

export interface DecisionView {
  choice: string;
  rationale: string;
  outcome: string;
  owner: string;
  review_date: Day;
  decided_by: string;
  decided_at: Timestamp;
}

/** One point on which the analyst and another assistant differ. */
export interface DifferenceView {
  about: string;
  analyst: string;
  other: string;
}

export interface FindingView {
  id: string;
  author: string;
  at: Timestamp;
  summary: string;
  recommendation: string;
  reason: string;
  confidence: number;
  suspects: SuspectView[];
  citations: CitationView[];
  gaps: GapView[];
  lower_rungs: string[];
  warnings: string[];
  steps: RunbookStepView[];
}

/** A cited figure: the evidence's id, a dotted path into its body, the value that stands there, in words. */
export interface NewCitation {
  evidence: string;
  path: string;
  value: boolean | number | number | string;
  says: string;
}

/** Word that an assistant has no finding of a case, and why. */
export interface NewFailure {
  why: 'timed_out' | 'over_budget' | 'provider' | 'malformed' | 'two_answers' | 'refused';
  summary: string;
  provenance: NewProvenance;
}

/** What an assistant may say of a case. `operations` are what it would draft; none: it would change nothing. */
export interface NewFinding {
  summary: string;
  recommendation:
    | 'no_action'
    | 'continue'
    | 'pause'
    | 'reduce_to_internal'
    | 'reduce_percentage'
    | 'exclude'
    | 'move_to_baseline'
    | 'stricter_mode'
    | 'disable_tool'
    | 'roll_back'
    | 'kill_switch'
    | 'clean_up';
  reason: string;
  confidence: number;
  provenance: NewProvenance;
  suspects?: NewSuspect[];
  citations?: NewCitation[];
  title?: string;
  operations?: Record<string, unknown>[];
  expected_effect?: string;
}

export interface NewNote {
  text: string;
}

/** How an assistant came to what it submits: provider, model, digests of prompt and answer, what it took. */
export interface NewProvenance {
  provider: string;
  model: string;
  prompt: string;
  answer?: string;
  requests?: number;
  input_tokens?: number;
  output_tokens?: number;
  seconds?: number;
}

/** Word that an assistant begins to look at a case, and which model it asks. */
export interface NewRun {
  provider: string;
  model: string;
}

/** A control that an assistant suspects, who is affected, and its confidence from 0 to 1. */
export interface NewSuspect {
  flag: string;
  variation: string;
  confidence: number;
  because: string;
  rule?: string | null;
  cohort?: Record<string, string[]>;
}

export interface NoteView {
  at: Timestamp;
  author: string;
  text: string;
}

/** Another assistant's finding beside the analyst's. No differences: both would do the same. */
export interface OpinionView {
  finding: FindingView;
  provenance: ProvenanceView | null;
  unsupported: UnsupportedView[];
  compared: boolean;
  differences: DifferenceView[];
  proposal: string | null;
}

/** What an outside assistant says of how it came to its finding; nobody has checked it. */
export interface ProvenanceView {
  provider: string;
  model: string;
  prompt: string;
  answer: string;
  requests: number;
  input_tokens: number;
  output_tokens: number;
  seconds: number;
}

/** A step of the team's own runbook, as it stands in that file at that line; foreign text. */
export interface RunbookStepView {
  evidence: string;
  runbook: string;
  heading: string;
  line: number;
  text: string;
}

export interface SignalView {
  id: string;
  name: string;
  summary: string;
  severity: string;
  source: string;
  status: 'firing' | 'resolved';
  labels: Record<string, string>;
  annotations: Record<string, string>;
  starts_at: Timestamp;
  received_at: Timestamp;
  last_seen_at: Timestamp;
  resolved_at: Timestamp | null;
  seen: number;
  url: string;
}

/** A step of the loop stepper. */
export interface StepView {
  key: 'signal' | 'triage' | 'proposal' | 'approval' | 'change' | 'evidence' | 'decision';
  label: string;
  status: 'done' | 'current' | 'ahead';
}

/** A finding that was kept, and the proposal that was drafted of it; `why_not_drafted` where none was. */
export interface SubmittedFinding {
  id: string;
  proposal: string | null;
  why_not_drafted: string;
  unsupported: UnsupportedView[];
  differences: DifferenceView[];
}

export interface SuspectView {
  flag: string;
  surface: string;
  variation: string;
  rule: string | null;
  cohort: Record<string, string[]>;
  confidence: number;
  because: string;
}

/** Something that happened in a case, from the audit log. `step` is one of the loop's seven. */
export interface TimelineItem {
  at: Timestamp;
  step: 'signal' | 'triage' | 'proposal' | 'approval' | 'change' | 'evidence' | 'decision' | 'note';
  actor: string;
  actor_kind: string;
  text: string;
  outcome: 'done' | 'refused';
  entry: number;
}

/** What a token has done on a case: runs that began, findings, and failures it told of. */
export interface ToldView {
  runs: number;
  findings: number;
  failures: number;
}

/** A figure in an assistant's words that no cited evidence has. */
export interface UnsupportedView {
  field: string;
  text: string;
}

export interface CheckView {
  id: string;
  flag: string;
  phase: 'before' | 'after';
  change: string | null;
  at: Timestamp;
  since: Timestamp;
  until: Timestamp;
  verdicts: VerdictView[];
  gaps: GapView[];
}

export interface EvidenceView {
  id: string;
  kind: string;
  title: string;
  at: Timestamp;
  sha256: string;
  body: Record<string, unknown>;
}

export interface GapView {
  id: string;
  kind: string;
  sentence: string;
  what_to_do: string;
}

/** One variation's series, by assignment. */
export interface Line {
  variation: string;
  points: Point[];
}

/** A change on the time axis. */
export interface Marker {
  at: Timestamp;
  text: string;
  kind: 'change' | 'change_event' | 'signal';
}

/** One bucket of a series. `value` is null where nobody was measured. */
export interface Point {
  at: Timestamp;
  value: number | null;
  units: number;
}

/** A guardrail metric over time by variation, with its limit and the changes. `kind` says what values mean. */
export interface SeriesView {
  guardrail: string;
  metric: string;
  kind: string;
  title: string;
  unit_label: string;
  limit: number | null;
  since: Timestamp;
  until: Timestamp;
  lines: Line[];
  markers: Marker[];
}

export interface StageView {
  rule: string;
  stage: number;
  share: number;
  candidate_units: number;
  baseline_units: number;
  candidate_failures: number;
  baseline_failures: number;
  candidate_mean: number | null;
  baseline_mean: number | null;
}

/** One guardrail's figure for the case page. `state` is harm, safe, unknown or gap, never told by colour alone. */
export interface Tile {
  guardrail: string;
  metric: string;
  value: number | null;
  text: string;
  limit_text: string;
  change_text: string;
  state: 'harm' | 'safe' | 'unknown' | 'gap';
}

export interface VerdictView {
  guardrail: string;
  status: 'holding' | 'breached' | 'inconclusive' | 'cannot_judge';
  sentence: string;
  reason: string;
  observational: boolean;
  e_value: number | null;
  interval: (number | null)[] | null;
  alpha: number;
  margin: number;
  candidate_value: number | null;
  baseline_value: number | null;
  candidate_units: number;
  baseline_units: number;
  fallback_share: number;
  method: string;
  version: string;
  stages: StageView[];
}

/** One run of an experiment. `interval` is the candidate's figure relative to the baseline's (1: equal). */
export interface ExperimentView {
  key: string;
  flag: string;
  hypothesis: string;
  candidate: string;
  baseline: string;
  rule: string | null;
  audience: string;
  split: string;
  primary: PrimaryView;
  ends: Day | null;
  began_at: Timestamp;
  began_by: string;
  ended_at: Timestamp | null;
  finding: 'better' | 'worse' | 'undecided' | 'cannot_judge';
  advice: 'continue' | 'pause' | 'roll_back' | 'inconclusive';
  sentence: string;
  because: string;
  interval: (number | null)[] | null;
  alpha: number;
  verdict: VerdictView;
  guardrails: VerdictView[];
  marks: MarkView[];
}

/** Something fixed at the start that was edited while it ran. */
export interface MarkView {
  at: Timestamp;
  what: string;
  change: string;
  justification: string;
}

/** The one metric that decides. */
export interface PrimaryView {
  metric: string;
  kind: 'rate' | 'mean' | 'ratio' | 'tail';
  better: 'higher' | 'lower';
  limit: number;
  title: string;
  unit_label: string;
  denominator: string;
}

export interface EnvironmentView {
  project: string;
  key: string;
  revision: number;
  guarded: boolean;
  approvers: string[];
  flags: number;
  open_cases: number;
}

export interface ExplainRequest {
  context: Record<string, unknown>;
}

/** The resolution, and the tree of why. */
export interface ExplainView {
  value: unknown;
  variation: string | null;
  reason: string;
  rule: string | null;
  revision: number | null;
  error: string | null;
  sentences: string[];
  tree: Record<string, unknown>;
}

/** Distinct units by rule, assigned and served over the last hour. */
export interface ExposureCount {
  rule: string | null;
  assigned: string;
  served: string;
  units: number;
}

/** A flag in a list. `reach` says in words who gets something other than the baseline. */
export interface FlagRow {
  key: string;
  type: string;
  enabled: boolean;
  surface: string;
  kind: string;
  owner: string;
  purpose: string;
  baseline: string;
  revision: number;
  archived: boolean;
  review_date: Day | null;
  overdue: boolean;
  reach: string;
  changed_at: Timestamp | null;
}

/** One flag whole: its published document, how it is governed, its targeting in words, its history. */
export interface FlagView extends FlagRow {
  document: Record<string, unknown>;
  lines: LineView[];
  approvers: string[];
  guardrails: GuardrailView[];
  caution: string[];
  workflow: string;
  cleanup_condition: string;
  permanent_because: string;
  history: VersionView[];
  exposures: ExposureCount[];
}

export interface GuardrailView {
  key: string;
  metric: string;
  kind: string;
  limit: number;
  unit_label: string;
  margin: number;
  denominator: string;
  query: string;
  other_limits: number[];
}

/** One line of a flag's targeting in words. `marker` is `same`, `removed` or `added`. */
export interface LineView {
  marker: 'same' | 'removed' | 'added';
  text: string;
}

export interface VersionView {
  revision: number;
  environment_revision: number;
  at: Timestamp;
  change: string;
  summary: string;
  applied_by: string;
}

/** One person's answer to an access proposal. */
export interface AccessAnswerView {
  person: string;
  answer: 'yes' | 'no';
  at: Timestamp;
  note: string;
}

/** An access proposal whole: what it says, what power it gives, who has answered. */
export interface AccessProposalView {
  id: string;
  status: string;
  author: string;
  edits: Record<string, unknown>[];
  says: string[];
  reason: string;
  power: string[];
  preview: string[];
  required_roles: string[];
  alone: boolean;
  created_at: Timestamp;
  expires_at: Timestamp;
  digest: string;
  answers: AccessAnswerView[];
  may: ('approve' | 'reject' | 'withdraw')[];
}

/** Who may do what by which rules. `founded`: there are two who can agree to changes of it. */
export interface AccessView {
  founded: boolean;
  people: PersonAccess[];
  environments: EnvironmentAccess[];
  orders: OrderView[];
  policies: string;
}

/** A flag to its safe state, alone and now. `seen` is the flag's revision as the person saw it. */
export interface BreakGlass extends Proven {
  project: string;
  environment: string;
  flag: string;
  seen: number;
  reason: string;
  change?: string | null;
  case?: string | null;
}

/** What a review found, and fresh proof. */
export interface CloseReview extends Proven {
  found: 'justified' | 'avoidable' | 'abuse';
  note: string;
}

/** How one environment is governed. */
export interface EnvironmentAccess {
  project: string;
  key: string;
  guarded: boolean;
  approvers: string[];
  widening_approvers: string[];
  proposal_hours: number;
  approval_hours: number;
}

/** Edits of access, why, and fresh proof. */
export interface NewAccessProposal extends Proven {
  edits: Record<string, unknown>[];
  reason: string;
}

/** A standing order in force, and what it says. */
export interface OrderView {
  id: string;
  project: string;
  environment: string;
  flags: string[];
  guardrail: string;
  per_hour: number;
  says: string;
}

/** What one person holds. */
export interface PersonAccess {
  person: string;
  grants: string[];
}

/** The look back at one use of break-glass. */
export interface ReviewView {
  id: string;
  project: string;
  environment: string;
  change: string;
  person: string;
  reason: string;
  opened_at: Timestamp;
  due_at: Timestamp;
  overdue: boolean;
  status: 'open' | 'closed';
  closed_by: string | null;
  closed_at: Timestamp | null;
  found: 'justified' | 'avoidable' | 'abuse' | null;
  note: string;
}

/** The gate as it would be if these people approved now. */
export interface SupposedGate {
  people: string[];
  gate: GateView;
}

/** A change that was not made here: a deploy, a configuration edit, a migration. All of it is foreign text. */
export interface ChangeElsewhereView {
  id: string;
  source: string;
  kind: string;
  title: string;
  service: string;
  at: Timestamp;
  url: string | null;
  attributes: Record<string, unknown>;
}

/** One thing that happened, as the audit log tells it; `entry` is its index there. */
export interface HappeningView {
  entry: number;
  at: Timestamp;
  action: string;
  subject: string;
  actor: string;
  actor_kind: string;
  outcome: 'done' | 'refused';
  case: string | null;
  text: string;
}

/** An answer, and the policies that decided it. */
export interface MatrixCell {
  says: string;
  policies: string[];
}

/** One kind of action, and what the policies answered about it. */
export interface MatrixRow {
  key: string;
  says: string;
  ai_alone: MatrixCell;
  ai_may_draft: MatrixCell;
  approval: MatrixCell;
  prompt_alone: MatrixCell;
}

/** The decision matrix of a guarded environment. `also` is what a change can be beside the rows of the matrix. */
export interface MatrixView {
  digest: string;
  project: string;
  environment: string;
  headings: string[];
  rows: MatrixRow[];
  also: MatrixRow[];
}

/** The policies in force. `digest` is over all of them and the schema; a proposal records it. */
export interface PolicyView {
  digest: string;
  policies: WrittenPolicyView[];
}

/** One policy. `says` is the comment above it, in plain words; `shipped` ones come with Twokey. */
export interface WrittenPolicyView {
  id: string;
  effect: 'permit' | 'forbid';
  says: string;
  text: string;
  shipped: boolean;
}

/** A key turned: the digest that was read, and fresh proof. */
export interface Approve extends Proven {
  digest: string;
  note?: string;
}

/** Replay of recorded contexts before and after. Shares are 0 to 1 of the sampled units. */
export interface BlastRadiusView {
  sampled_units: number;
  since: Timestamp | null;
  until: Timestamp | null;
  changed_units: number;
  share_before: number;
  share_after: number;
  changed_traffic: number;
  transitions: TransitionView[];
  by_rule: RuleMoveView[];
  by_attribute: Record<string, Record<string, number>>;
}

export interface ChangeView {
  id: string;
  project: string;
  environment: string;
  cause: string;
  case: string | null;
  proposal: string | null;
  summary: string;
  action: string;
  effect: string;
  flags: string[];
  revision_before: number;
  revision_after: number;
  applied_by: string;
  applied_at: Timestamp;
  undoes: string | null;
  may_reverse: boolean;
}

/** A draft that makes flags in one environment what they are in another, with the segments that they need. Without `flags`, all that the source publishes. Flags that were not asked for stay as they are. */
export interface CopyFlags {
  project: string;
  from_environment: string;
  environment: string;
  flags?: string[];
  case?: string | null;
  reason: string;
  apply?: 'when_open' | 'manual' | 'at';
  apply_at?: Timestamp | null;
}

/** An edit makes a new proposal with a new digest and no approvals. */
export interface EditProposal {
  digest: string;
  operations?: Record<string, unknown>[] | null;
  reason?: string | null;
  apply?: 'when_open' | 'manual' | 'at' | null;
  apply_at?: Timestamp | null;
}

/** One flag's targeting now and if approved, in rows. */
export interface FlagDiff {
  flag: string;
  revision: number;
  now: LineView[];
  then: LineView[];
}

/** One breach that a proposal rests on: distinct units of either arm; the cohort where it was cut by one. */
export interface FootingView {
  evidence: string;
  flag: string;
  guardrail: string;
  candidate_units: number;
  baseline_units: number;
  attribute: string;
  value: string;
}

/** What is to change in one of the environments; its case, where it has one there. */
export interface JointPart {
  environment: string;
  operations: Record<string, unknown>[];
  case?: string | null;
}

/** What stands or falls together with a proposal, in another environment. */
export interface JointView {
  id: string;
  environment: string;
  digest: string;
  action: string;
  effect: string;
  effect_because: string[];
  sentences: string[];
  diffs: FlagDiff[];
  reverse: WayView;
  rollback: WayView;
  blast_radius: BlastRadiusView | null;
  keys: KeyView[];
}

/** One required role: who turned this key, or that it waits. `yours` when the signed-in person may turn it. */
export interface KeyView {
  role: string;
  status: 'approved' | 'waiting';
  person: string | null;
  name: string | null;
  at: Timestamp | null;
  yours: boolean;
}

/** Changes in several environments of a project that stand or fall together. Each gets a proposal of its own; the digest of each covers the content of all, and all are applied, or none. */
export interface NewJointProposal {
  project: string;
  parts: JointPart[];
  title?: string;
  reason: string;
  expected_effect?: string;
  justification?: string;
  code_reference_review?: string;
  apply?: 'when_open' | 'manual' | 'at';
  apply_at?: Timestamp | null;
}

/** Operations whose consequences are asked for. Nothing is kept of them. */
export interface NewPreview {
  project: string;
  environment: string;
  operations: Record<string, unknown>[];
}

/** A draft: operations of the closed set. Reverse, rollback, effect, blast radius and digest are computed here. */
export interface NewProposal {
  project: string;
  environment: string;
  case?: string | null;
  title?: string;
  operations: Record<string, unknown>[];
  reason: string;
  expected_effect?: string;
  justification?: string;
  code_reference_review?: string;
  apply?: 'when_open' | 'manual' | 'at';
  apply_at?: Timestamp | null;
}

/** What operations would come to on the present state, computed as for a proposal; nobody decides on it. */
export interface PreviewView {
  action: string;
  effect: string;
  effect_because: string[];
  sentences: string[];
  diffs: FlagDiff[];
  reverse: WayView;
  rollback: WayView;
  required_roles: string[];
  blast_radius: BlastRadiusView | null;
  base_revision: number;
}

export interface ProposalRow {
  id: string;
  case: string | null;
  project: string;
  environment: string;
  title: string;
  status: string;
  action: string;
  effect: string;
  author: string;
  author_kind: string;
  on_behalf_of: string | null;
  created_at: Timestamp;
  expires_at: Timestamp;
  digest: string;
  approved: number;
  required: number;
}

/** One proposal whole. `rests_on`: on how many distinct units its signal does; `footings`: the same in figures. */
export interface ProposalView extends ProposalRow {
  reason: string;
  expected_effect: string;
  lower_rungs: string[];
  effect_because: string[];
  operations: Record<string, unknown>[];
  sentences: string[];
  diffs: FlagDiff[];
  reverse: WayView;
  rollback: WayView;
  gate: GateView;
  keys: KeyView[];
  gaps: GapView[];
  evidence: Record<string, string>;
  rests_on: string;
  footings: FootingView[];
  finding: string | null;
  blast_radius: BlastRadiusView | null;
  base_revision: number;
  apply: string;
  apply_at: Timestamp | null;
  supersedes: string | null;
  joint: JointView[];
  plan: PlanView | null;
  change: string | null;
  may: ('approve' | 'reject' | 'edit' | 'apply' | 'withdraw')[];
  why_not: string;
}

/** Fresh proof for a move that needs a person present. */
export interface Prove extends Proven {
  note?: string;
}

/** One flag after a change: what was predicted by replay, what those who met it since have got (0 to 1). */
export interface ReachView {
  flag: string;
  since: Timestamp;
  until: Timestamp;
  predicted_units: number;
  observed_units: number;
  variations: VariationShareView[];
  sentence: string;
}

export interface Reject extends Proven {
  digest: string;
  note: string;
}

/** Undo a change: `reverse` restores what was, `rollback` goes to the baseline. A reverse that deletes a flag again needs a code-reference review by a person, as every deletion does. */
export interface ReverseChange extends Prove {
  way?: 'reverse' | 'rollback';
  code_reference_review?: string;
}

/** Either the change that undid it, or, where undoing widens, the proposal that now waits for its own keys. `together` are those of the other environments, where several were changed together. */
export interface ReverseResult {
  change: string | null;
  proposal: string | null;
  together?: string[];
  sentence: string;
}

/** Units that change, by what decides for them before and after: a rule, else the reason. */
export interface RuleMoveView {
  flag: string;
  before: string;
  after: string;
  units: number;
}

export interface TransitionView {
  flag: string;
  before: string;
  after: string;
  units: number;
  share: number;
}

export interface VariationShareView {
  variation: string;
  predicted: number;
  observed: number;
  differs: boolean;
}

/** A way back: in words, with its computed effect; `approved_with_it` when it needs no approval of its own. */
export interface WayView {
  sentences: string[];
  effect: string;
  approved_with_it: boolean;
}

/** One of the six questions of a case, answered from the log alone; `entries` are the indices that say so. */
export interface AnsweredView {
  key: string;
  question: string;
  sentences: string[];
  entries: number[];
}

/** An entry of the audit log: all that its hash covers. `beside` holds the commitments to those members of `detail` that can be erased, `salts` what they are checked with. */
export interface EntryView {
  index: number;
  at: Timestamp;
  action: string;
  subject: string;
  actor: Record<string, string>;
  outcome: 'done' | 'refused';
  project: string;
  environment: string;
  case: string | null;
  detail: Record<string, unknown>;
  beside: Record<string, string>;
  previous: string;
  hash: string;
  salts: Record<string, string>;
}

/** The state of an environment, built again from the log: its snapshot's digest, beside that of what is stored. */
export interface RebuiltView {
  project: string;
  environment: string;
  revision: number;
  digest: string;
  stored: string;
  agrees: boolean;
}

export interface VerificationView {
  ok: boolean;
  entries: number;
  head: string;
  broken_at: number | null;
  problem: string;
}

/** Why, and fresh proof (which pausing alone does not need). */
export interface MoveRollout extends Proven {
  note: string;
}

/** A guarded rollout to be approved as a whole: its operations, ways back and digest are computed from the plan. */
export interface NewRollout {
  project: string;
  environment: string;
  plan: PlanOfRollout;
  case?: string | null;
  title?: string;
  reason: string;
  expected_effect?: string;
}

/** Why a rollout is to stay where it is. */
export interface PauseRollout {
  note: string;
}

/** One stage of a plan, everything said: `rule` is the one that it widens, null for what everybody else gets. */
export interface PlannedStageView {
  rule: string | null;
  share: number;
  minutes: number;
  units: number;
  opens: 'verdict' | 'time' | 'approval';
  at_most: number | null;
}

/** The stages of one rule of a flag; of what everybody else gets, where `rule` is null. A stage that says `rule` itself widens that one (null for what everybody else gets). */
export interface PlanOfRollout {
  flag: string;
  rule?: string | null;
  candidate: string;
  stages: StageOfPlan[];
}

/** A plan, and a sentence for each of its stages. */
export interface PlanView {
  flag: string;
  rule: string | null;
  candidate: string;
  stages: PlannedStageView[];
  says: string[];
}

/** What happened to a rollout, and why. */
export interface RolloutStep {
  at: Timestamp;
  what: string;
  sentence: string;
  by: string;
}

/** A guarded rollout. `stage` counts from 0; `because` says what it waits for, or why it stands where it does. */
export interface RolloutView {
  id: string;
  project: string;
  environment: string;
  flag: string;
  proposal: string;
  status: 'running' | 'paused' | 'completed' | 'rolled_back' | 'stopped';
  plan: PlanView;
  stage: number;
  started_at: Timestamp;
  entered_at: Timestamp;
  looked_at: Timestamp | null;
  because: string;
  units: number;
  verdicts: VerdictView[];
  steps: RolloutStep[];
  may: ('pause' | 'resume' | 'agree' | 'stop' | 'roll-back')[];
}

/** One stage: the candidate's share in 1/100,000, and what must be so before the next one begins. */
export interface StageOfPlan {
  share: number;
  minutes?: number;
  units?: number;
  opens?: 'verdict' | 'time' | 'approval';
  at_most?: number | null;
  rule?: string | null;
}

/** A section of a runbook that says what was looked for: where it stands, what it says, and its steps. */
export interface RunbookSectionView {
  runbook: string;
  title: string;
  sha256: string;
  headings: string[];
  text: string;
  steps: RunbookTextView[];
}

/** One step, and the line at which it stands. */
export interface RunbookTextView {
  line: number;
  text: string;
}

/** What a passkey shall prove: the path of a call below `/api/v1`, then a blank and the digest, if it names one. */
export interface About {
  about: string;
}

/** The secret of a one-time link, and the password that its owner chose. */
export interface Accept extends LinkSecret {
  password: string;
}

/** What one proves by. */
export interface AccountView {
  username: string;
  has_password: boolean;
  provider: boolean;
  totp: boolean;
  passkeys: PasskeyView[];
  recovery_codes: number;
}

/** Where the browser goes next. */
export interface Address {
  address: string;
}

export interface Code {
  code: string;
}

/** Who an invitation is for. */
export interface Invited {
  username: string;
  name: string;
}

/** A passkey that is kept from now on. */
export interface KeptPasskey extends RecoveryCodes {
  passkey: PasskeyView;
}

/** The secret of a one-time link. */
export interface LinkSecret {
  secret: string;
}

export interface NewPasskey {
  name: string;
  passkey: Record<string, unknown>;
}

/** The present password, and the one to come. */
export interface NewPassword {
  password: string;
  new_password: string;
}

/** One of the sessions somebody has open; `this` is the one that asks. */
export interface OpenSession {
  id: string;
  label: string;
  created_at: Timestamp;
  last_seen: Timestamp;
  expires_at: Timestamp;
  this: boolean;
}

export interface PasskeyView {
  id: string;
  name: string;
  site: string;
  created_at: Timestamp;
}

/** What a browser shall make a passkey by: `PublicKeyCredentialCreationOptions` as JSON. */
export interface PasskeyWish {
  wish: Record<string, unknown>;
}

/** What a passkey shall sign: `PublicKeyCredentialRequestOptions` as JSON. */
export interface Question {
  question: Record<string, unknown>;
}

/** Codes for the day when the second factor is lost, each good once. Shown this once; none where some are left. */
export interface RecoveryCodes {
  recovery_codes: string[];
}

/** The ticket of the first step, and exactly one of the three. */
export interface Second {
  ticket: string;
  code?: string | null;
  recovery_code?: string | null;
  passkey?: Record<string, unknown> | null;
}

/** The password was right; a second factor is owed before `expires_at`, with this ticket. `question` is what a passkey shall sign: `PublicKeyCredentialRequestOptions` as JSON. */
export interface SecondNeeded {
  ticket: string;
  factors: ('password' | 'totp' | 'passkey' | 'recovery_code')[];
  question: Record<string, unknown> | null;
  expires_at: Timestamp;
}

/** Who is signed in. `csrf` must be sent back as `X-CSRF-Token` with every change. `proofs` are the ways in which they can show that they are here. */
export interface SessionView {
  username: string;
  name: string;
  roles: string[];
  csrf: string;
  expires_at: Timestamp;
  proofs: ('password' | 'totp' | 'passkey' | 'recovery_code')[];
}

/** A sign-in by the identity provider: to which page; `anew` has the person show themselves there again. */
export interface SetOut {
  after?: string;
  anew?: boolean;
}

export interface SignIn {
  username: string;
  password: string;
}

/** The secret of an authenticator app, shown this once; `address` is what the app reads, `qr` a picture of it. */
export interface TotpSecret {
  secret: string;
  address: string;
  qr: string;
}

/** How people sign in here beside the password: the name of an identity provider, if there is one. */
export interface Ways {
  provider: string | null;
}
