/** A case in a few plain statements, for whoever was just woken: what happened, what is proposed, what is not known. Pure. */

import type { CaseView, CheckView, GapView, ProposalRow, ProposalView, Tile } from '../api/types';
import { count, percent, plural } from './figures';
import { href } from './routes';
import { capital, effectWord, isWaiting, proposalStatus, spaced, type Tone } from './words';

export interface Statement {
  text: string;
  /** Said beside it, more quietly. */
  note?: string;
  address?: string;
}

export interface Answer {
  label: string;
  tone: Tone;
  statements: Statement[];
}

const DONE = ['applied', 'reversed'];
const MOST = 3;

/** The answers in the order in which they are asked. `onCase`: the page is the case's, so the proposal has to be named. */
export function brief(item: CaseView | null, proposal: ProposalView | null, onCase: boolean): Answer[] {
  const done = DONE.includes(proposal?.status ?? '');
  const answers: (Answer | null)[] = [
    item && happened(item),
    onCase && item ? proposed(item, proposal) : null,
    proposal && !(onCase && done) ? reach(proposal, done) : null,
    done && item && latest(item, 'after') ? since(item) : null,
    item || proposal ? missing(gapsOf(item, proposal, onCase)) : null,
  ];
  return answers.filter((each) => each !== null);
}

/** The newest look at the guardrails, before or after a change. */
export function latest(item: CaseView, phase: CheckView['phase']): CheckView | undefined {
  return item.checks.filter((each) => each.phase === phase).toSorted((a, b) => b.at.localeCompare(a.at))[0];
}

/** The proposal that counts: the one that waits, otherwise the newest. */
export function mainProposal(item: CaseView): ProposalRow | undefined {
  return item.proposals.find((each) => isWaiting(each.status)) ?? item.proposals[0];
}

function happened(item: CaseView): Answer {
  const label = 'What happened';
  const changed = latest(item, 'after') !== undefined;
  const beyond = changed ? [] : item.tiles.filter((each) => each.state === 'harm');
  if (beyond.length) return { label, tone: 'harm', statements: some(beyond.map(figure)) };
  const breached = latest(item, 'before')?.verdicts.filter((each) => each.status === 'breached') ?? [];
  if (breached.length) return { label, tone: 'harm', statements: some(breached.map((each) => breach(each.guardrail))) };
  const firing = `${item.firing} of ${plural(item.signals, 'signal')} firing`;
  return { label, tone: 'neutral', statements: [{ text: item.title, note: firing }] };
}

/** The page of a case tells what is not known now, a proposal's page what was not known to whoever signs it. */
function gapsOf(item: CaseView | null, proposal: ProposalView | null, onCase: boolean): GapView[] {
  if (!onCase && proposal?.gaps.length) return proposal.gaps;
  return item?.gaps ?? proposal?.gaps ?? [];
}

const breach = (guardrail: string): Statement => ({ text: capital(spaced(guardrail)), note: 'beyond its limit' });
const figure = (tile: Tile): Statement => ({ text: `${capital(tile.guardrail)} ${tile.text}`, note: tile.limit_text });

function proposed(item: CaseView, proposal: ProposalView | null): Answer {
  const label = DONE.includes(proposal?.status ?? '') ? 'What was changed' : 'What is proposed';
  if (!proposal) return { label, tone: 'neutral', statements: [{ text: instead(item) }] };
  const status = proposalStatus(proposal.status);
  const keys = isWaiting(proposal.status) ? `, ${proposal.approved} of ${proposal.required} keys turned` : '';
  return {
    label,
    tone: status.tone,
    statements: [{ text: proposal.title, address: href.proposal(proposal.id), note: status.text + keys }],
  };
}

function instead(item: CaseView): string {
  if (item.proposals.length) return 'Reading the proposal…';
  if (!item.finding) return 'Nothing yet: triage is on its way';
  return WITHOUT_DRAFT[item.finding.recommendation] ?? 'Nothing yet';
}

const WITHOUT_DRAFT: Record<string, string> = {
  no_action: 'No action: nothing separates',
  pause: 'Pause its rollout until it is decided',
  continue: 'Its rollout may go on: every guardrail holds',
  clean_up: 'Nothing is left to narrow: clean it up',
};

function reach(proposal: ProposalView, done: boolean): Answer {
  const label = done ? 'What it changed' : 'What it would change';
  const effect = effectWord(proposal.effect);
  const radius = proposal.blast_radius;
  const statements: Statement[] = [{ text: capital(effect.text) }];
  if (!radius) return { label, tone: effect.tone, statements: [...statements, { text: 'For how many is not known' }] };
  const moves = radius.transitions.map((each) => `${each.before} → ${each.after}`);
  statements.push({
    text: `${count(radius.changed_units)} of ${plural(radius.sampled_units, 'unit')}`,
    note: [...new Set(moves)].slice(0, MOST).join(', '),
  });
  statements.push({
    text: `${percent(radius.share_before)} → ${percent(radius.share_after)}`,
    note: 'get something beyond the baseline',
  });
  return { label, tone: effect.tone, statements };
}

const SINCE: Record<Tile['state'], string> = {
  harm: 'beyond its limit',
  safe: 'holds',
  unknown: 'too early to say',
  gap: 'cannot be judged',
};

function since(item: CaseView): Answer {
  const states = item.tiles.map((each) => each.state);
  const tone = states.includes('harm') ? 'harm' : states.every((each) => each === 'safe') ? 'safe' : 'accent';
  const told = item.tiles.filter((each) => each.state !== 'gap');
  const verdicts = latest(item, 'after')?.verdicts ?? [];
  const alone = verdicts.length > 0 && verdicts.every((each) => each.observational);
  return {
    label: 'Since the change',
    tone,
    statements: [
      ...some(told.map((each) => ({ text: `${capital(each.guardrail)} ${each.text}`, note: SINCE[each.state] }))),
      ...(alone ? [{ text: 'Observational', note: 'no control arm is left to compare with' }] : []),
    ],
  };
}

function missing(gaps: readonly GapView[]): Answer {
  const label = 'What proof is missing';
  if (!gaps.length) return { label, tone: 'safe', statements: [{ text: 'No gap is known' }] };
  return { label, tone: 'waiting', statements: some(gaps.map((each) => headed(each.sentence))) };
}

/** `citation failure rate: none of 12 joined` is read by its head. */
function headed(sentence: string): Statement {
  const [head = '', ...rest] = sentence.split(': ');
  return rest.length ? { text: capital(spaced(head)), note: rest.join(': ') } : { text: capital(sentence) };
}

function some(statements: Statement[]): Statement[] {
  const rest = statements.length - MOST;
  return rest > 0 ? [...statements.slice(0, MOST), { text: `and ${rest} more` }] : statements;
}
