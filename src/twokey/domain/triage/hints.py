"""What a signal's own words hint at. Hints raise or lower a suspicion; they never make one.

Rules kept here:
- only label values and the alert's name are looked at, as words; annotations and summaries are never read;
- a hint is worth at most `HINT` of a confidence, and a control is suspected by its evidence alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from twokey.domain.control import Control
from twokey.domain.guardrail import Guardrail
from twokey.domain.signal import Signal

NEUTRAL = 0.5
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_COMMON = frozenset({"rate", "high", "low", "alert", "error", "errors", "count", "total", "seconds", "ratio", "value"})


def match(signals: Sequence[Signal], control: Control, guardrails: Iterable[Guardrail], known: Iterable[str]) -> float:
    """1 where a signal names the control or one of its breached guardrails, 0 where it names another control, else 0.5.

    `known` are the keys of all controls.
    """
    watched = tuple(guardrails)
    if any(_names(each, control, watched) for each in signals):
        return 1.0
    others = set(known) - {control.key}
    return 0.0 if any(each.alert.labels.get("flag") in others for each in signals) else NEUTRAL


def _names(signal: Signal, control: Control, guardrails: Sequence[Guardrail]) -> bool:
    labels = signal.alert.labels
    if labels.get("flag") == control.key or (control.workflow and labels.get("workflow") == control.workflow):
        return True
    if labels.get("metric") in {name for each in guardrails for name in (each.key, each.metric)}:
        return True
    said = words(signal.alert.name)
    return any(said & (words(each.key) | words(each.metric)) for each in guardrails)


def words(text: str) -> frozenset[str]:
    """The telling words of an identifier: `P95LatencyHigh` and `p95_latency` share `latency`."""
    found = {each.lower() for each in _WORD.findall(text[:256])}
    return frozenset(each for each in found if len(each) > 3 and each not in _COMMON)
