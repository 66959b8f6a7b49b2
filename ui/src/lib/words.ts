/** The API's closed words in the words people read. What is not known here is shown as it came. */

export type Tone = 'harm' | 'waiting' | 'safe' | 'accent' | 'neutral';
export interface Word {
  text: string;
  tone: Tone;
}

const word = (text: string, tone: Tone): Word => ({ text, tone });

const CASE: Record<string, Word> = {
  open: word('open', 'waiting'),
  triaged: word('triaged', 'waiting'),
  acting: word('acting', 'waiting'),
  watching: word('watching', 'accent'),
  closed: word('closed', 'neutral'),
};

const PROPOSAL: Record<string, Word> = {
  draft: word('draft', 'neutral'),
  pending: word('awaiting approval', 'waiting'),
  approved: word('approved, not applied', 'accent'),
  applied: word('applied', 'safe'),
  reversed: word('undone', 'neutral'),
  rejected: word('rejected', 'harm'),
  withdrawn: word('withdrawn', 'neutral'),
  expired: word('expired', 'neutral'),
  stale: word('stale', 'harm'),
  superseded: word('superseded by an edit', 'neutral'),
};

const SEVERITY: Record<string, Tone> = {
  critical: 'harm',
  page: 'harm',
  error: 'harm',
  high: 'harm',
  warning: 'waiting',
  medium: 'waiting',
};

const VERDICT: Record<string, Word> = {
  holding: word('holding', 'safe'),
  breached: word('breached', 'harm'),
  inconclusive: word('inconclusive', 'neutral'),
  cannot_judge: word('cannot judge', 'waiting'),
};

const ROLLOUT: Record<string, Word> = {
  running: word('running', 'accent'),
  paused: word('paused', 'waiting'),
  completed: word('completed', 'safe'),
  rolled_back: word('rolled back', 'harm'),
  stopped: word('stopped', 'neutral'),
};

const ADVICE: Record<string, Word> = {
  continue: word('Continue', 'safe'),
  pause: word('Pause', 'waiting'),
  roll_back: word('Roll back', 'harm'),
  inconclusive: word('Inconclusive', 'neutral'),
};

const EFFECT: Record<string, Word> = {
  narrows: word('narrows exposure', 'safe'),
  neither: word('changes nobody’s result', 'neutral'),
  widens: word('widens exposure', 'waiting'),
};

const KIND: Record<string, string> = {
  agent: 'AI assistant',
  person: 'person',
  service: 'service',
  policy: 'policy',
  schedule: 'schedule',
  system: 'Twokey',
};

/** What a table holds under a word of others, which may well be `constructor`. */
export const entry = <T>(table: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

const known = (table: Record<string, Word>, value: string): Word =>
  entry(table, value) ?? word(spaced(value), 'neutral');

/** `cannot_judge` -> `cannot judge`. */
export function spaced(value: string): string {
  return value.replaceAll('_', ' ');
}

/** First letter raised, unless the first word is a name of something, such as `citation_failure_rate`. */
export function capital(value: string): string {
  if (!/^\p{L}+(?:['’-]\p{L}+)*(?=[\s,:;]|\.(?:\s|$)|$)/u.test(value)) return value;
  return value.charAt(0).toUpperCase() + value.slice(1);
}

export const caseStatus = (value: string): Word => known(CASE, value);
export const proposalStatus = (value: string): Word => known(PROPOSAL, value);
export const verdictStatus = (value: string): Word => known(VERDICT, value);
export const rolloutStatus = (value: string): Word => known(ROLLOUT, value);
export const adviceWord = (value: string): Word => known(ADVICE, value);
export const effectWord = (value: string): Word => known(EFFECT, value);
export const severity = (value: string): Word =>
  word(`severity ${value}`, entry(SEVERITY, value.toLowerCase()) ?? 'neutral');
export const actorKind = (value: string): string => entry(KIND, value) ?? spaced(value);

/** Whether a proposal can still be approved or applied. */
export const isWaiting = (status: string): boolean => ['draft', 'pending', 'approved'].includes(status);

/** A confidence from 0 to 1 in words and as a number: `high (0.86)`. */
export function confidence(value: number): string {
  const name = value >= 0.8 ? 'high' : value >= 0.5 ? 'medium' : 'low';
  return `${name} (${value.toFixed(2)})`;
}

/** What a second opinion amounts to, beside the analyst's. */
export function agreement(compared: boolean, differences: number): Word {
  if (!compared) return word('nothing to compare with yet', 'neutral');
  if (!differences) return word('would do the same', 'safe');
  return word(differences === 1 ? 'differs on one point' : `differs on ${differences} points`, 'waiting');
}

/** `sha256:9f2c…` shortened for the eye; the whole stands in the tooltip. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

/** Targeting lines use `->`; people read an arrow. */
export function arrows(text: string): string {
  return text.replaceAll(' -> ', ' → ');
}
