"""A proposal as the two blocks that people pass around: what operations saw, and what is recommended.

Rules this module keeps:

- The shape never changes: `operations_signal` (workflow, current_control, active_candidate, signal) and
  `assistant_recommendation` (action, from, to, reason, rollback_command, evidence_gap, approval_required_from).
- Every value comes from the record; `from` and `to` are computed from the flag before and after.
- Text of others is made harmless before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import yaml

from twokey.documents.text import plain, snake
from twokey.engine.flag import WEIGHT_TOTAL, Flag, Operator, Rule, Serve

INTERNAL_SEGMENT = "internal-staff"
NO_GAP = "none known"


class ProposalDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the two blocks."""

    workflow: str
    current_control: str
    active_candidate: str
    signal: tuple[str, ...]
    action: str
    from_: str
    to: str
    reason: str
    rollback_command: str
    evidence_gap: str
    approval_required_from: tuple[str, ...]


def proposal_yaml(document: ProposalDocument) -> str:
    """The document as YAML, in the order in which it is read aloud."""
    blocks = {
        "operations_signal": {
            "workflow": plain(document.workflow),
            "current_control": plain(document.current_control),
            "active_candidate": plain(document.active_candidate),
            "signal": [plain(each) for each in document.signal],
        },
        "assistant_recommendation": {
            "action": plain(document.action),
            "from": plain(document.from_),
            "to": plain(document.to),
            "reason": plain(document.reason),
            "rollback_command": plain(document.rollback_command),
            "evidence_gap": plain(document.evidence_gap),
            "approval_required_from": [plain(each) for each in document.approval_required_from],
        },
    }
    return yaml.dump(blocks, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=100)


class _Indented(yaml.SafeDumper):
    """Lists stand indented under their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def signal_words(names: Iterable[str]) -> tuple[str, ...]:
    """Alert names as words, each once: `P95LatencyRegression` -> `p95_latency_regression`."""
    return tuple(dict.fromkeys(snake(name) or "alert" for name in names))


def gap_line(sentences: Sequence[str]) -> str:
    """All gaps in one line; that there is none known is said too."""
    return "; ".join(sentence.rstrip(".") for sentence in sentences) or NO_GAP


def rollback_line(flag: str, baseline: str, environment: str) -> str:
    """The way to the known safe state, as somebody would call it out."""
    return f"restore {flag} to {baseline} for {environment}"


def candidate_of(flag: Flag) -> str:
    """The variation beside the baseline that reaches most units; the first other one where none reaches anybody."""
    others = [each.key for each in flag.variations if each.key != flag.baseline]
    reach = {key: sum(_share(serve, {key}) for serve in _serves(flag)) for key in others}
    return max(others, key=lambda key: reach[key], default=flag.baseline)


def reach_word(flag: Flag | None, internal_segment: str = INTERNAL_SEGMENT) -> str:
    """Who gets something other than the baseline, in one word: `10_percent`, `internal_only`, `nobody`, `everyone`.

    A rollout is named by its largest share, because that is how people speak of it; which rules it stands on is told
    by the proposal's own sentences.
    """
    if flag is None:
        return "absent"
    if not flag.enabled:
        return "nobody"
    others = {each.key for each in flag.variations if each.key != flag.baseline}
    shares = [_share(serve, others) for serve in _serves(flag)]
    if _share(flag.otherwise, others) == WEIGHT_TOTAL:
        return "everyone"
    if partial := [share for share in shares if 0 < share < WEIGHT_TOTAL]:
        return percent_word(max(partial))
    reached = [rule for rule in flag.rules if _share(rule.serve, others)]
    return _audience(reached, any(each.variation in others for each in flag.targets), internal_segment)


def percent_word(share: int) -> str:
    """A share in 1/100,000 as a word: 10000 -> `10_percent`, 12500 -> `12.5_percent`."""
    return f"{share / (WEIGHT_TOTAL / 100):g}_percent"


def _audience(rules: Sequence[Rule], listed: bool, internal_segment: str) -> str:
    if not rules:
        return "listed_units_only" if listed else "nobody"
    segments = {segment for rule in rules for segment in _segments(rule)}
    if len(segments) == 1 and not listed and all(_segments(rule) for rule in rules):
        (segment,) = segments
        return "internal_only" if segment == internal_segment else f"{snake(segment)}_only"
    return "_and_".join(snake(rule.id) for rule in rules) + ("_and_listed_units_only" if listed else "_only")


def _segments(rule: Rule) -> set[str]:
    """The segments that a rule asks for; none where it asks in another way, or turns the answer round."""
    asked = [clause for clause in rule.clauses if clause.operator is Operator.IN_SEGMENT and not clause.negate]
    return {str(value) for clause in asked for value in clause.values}


def _serves(flag: Flag) -> tuple[Serve, ...]:
    return (*(rule.serve for rule in flag.rules), flag.otherwise)


def _share(serve: Serve, variations: set[str]) -> int:
    if serve.rollout is None:
        return WEIGHT_TOTAL if serve.variation in variations else 0
    return sum(weight for key, weight in serve.rollout.weights if key in variations)
