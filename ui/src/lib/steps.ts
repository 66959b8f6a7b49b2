/** The loop of a proposal that belongs to no case: drafted, keys, change. */

import type { ProposalView, StepView } from '../api/types';

export function stepsOf(proposal: ProposalView): StepView[] {
  const applied = proposal.status === 'applied' || proposal.status === 'reversed';
  const approved = applied || proposal.status === 'approved';
  const step = (key: StepView['key'], label: string, done: boolean, current: boolean): StepView => ({
    key,
    label,
    status: done ? 'done' : current ? 'current' : 'ahead',
  });
  return [
    step('proposal', 'Proposal', true, false),
    step('approval', 'Approval', approved, proposal.status === 'pending'),
    step('change', 'Change', applied, proposal.status === 'approved'),
  ];
}
