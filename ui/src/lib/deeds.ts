/** What the audit log calls an act, in the words people read: `proposal.approve` is "proposal approved". Pure. */

import { entry } from './words';

const PAST: Record<string, string> = {
  apply: 'applied',
  approve: 'approved',
  archive: 'archived',
  check: 'looked at',
  close: 'closed',
  create: 'created',
  draft: 'drafted',
  edit: 'edited',
  end: 'ended',
  expire: 'expired',
  note: 'noted',
  open: 'opened',
  receive: 'received',
  refuse: 'refused',
  reject: 'rejected',
  resolve: 'resolved',
  reverse: 'undone',
  revoke: 'revoked',
  triage: 'triaged',
  withdraw: 'withdrawn',
};

const WHOLE: Record<string, string> = {
  'case note': 'note added',
  'case owner': 'owner set',
  'session end': 'signed out',
  'session open': 'signed in',
  'session refuse': 'sign-in refused',
  'refused sign in': 'sign-in refused',
};

const NOUN: Record<string, string> = {
  apply: 'applying',
  approve: 'approval',
  reject: 'rejection',
  reverse: 'undoing',
  withdraw: 'withdrawal',
};

/** `refused.approve` -> `approval refused`; what is not known is shown as it came, with spaces. */
export function deed(action: string): string {
  const words = action.replaceAll(/[._]/g, ' ');
  const [subject = '', verb = '', ...rest] = words.split(' ');
  const whole = entry(WHOLE, words);
  if (whole) return whole;
  if (subject === 'refused' && verb) return `${[entry(NOUN, verb) ?? verb, ...rest].join(' ')} refused`;
  const past = entry(PAST, verb);
  return past && !rest.length ? `${subject} ${past}` : words;
}

/** A line of the timeline begins with such an act and, after a colon, tells what it was. */
export function told(text: string): string {
  const [act = '', ...rest] = text.split(': ');
  const known = deed(act);
  return known === act ? text : [known, ...rest].join(': ');
}
