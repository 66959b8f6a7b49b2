"""Experiments: one hypothesis about a split, judged by one metric that is fixed before it starts.

Rules kept here:
- hypothesis, metric and guardrails are fixed while it runs; audience and split are those of its rule at the start, and
  every later edit of any of these marks the result;
- an experiment counts what was assigned since its start, stage by stage, each unit once;
- intervals hold however often anybody looks, so it may end at any time; what cannot be judged is no result;
- harm outweighs success: a breached guardrail rolls back whatever the hypothesis won.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from twokey.domain.guardrail import DEFAULT_ALPHA, Guardrail, GuardrailKind, Verdict, VerdictReason, VerdictStatus
from twokey.domain.guardrail.sentences import percent, shown
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Serve

ALPHA = DEFAULT_ALPHA
"""Error probability of an interval, both ends together, over all looks."""
MOST_TEXT = 2_000


class Better(StrEnum):
    """The direction of the hypothesis."""

    HIGHER = "higher"
    LOWER = "lower"


class Primary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The one metric that decides: the share of units with a yes (`rate`), a mean, the share past `limit` (`tail`), or
    what units have of it by what they have of `denominator` (`ratio`).
    """

    metric: str
    kind: GuardrailKind
    better: Better
    limit: float = 0.5
    title: str = ""
    unit_label: str = ""
    coverage_floor: float = 0.8
    minimum_units: int = 100
    denominator: str = ""

    @property
    def measured(self) -> str:
        """Its metric, of a ratio with what it is divided by."""
        return f"{self.metric} to {self.denominator}" if self.denominator else self.metric

    def watched(self) -> Guardrail:
        """As telemetry and statistics want it: a yes is counted, the ratio is the candidate's over the baseline's."""
        return Guardrail(
            key="primary",
            metric=self.metric,
            kind=self.kind,
            limit=self.limit,
            title=self.title or self.measured,
            unit_label=self.unit_label,
            denominator=self.denominator,
            coverage_floor=self.coverage_floor,
            minimum_units=self.minimum_units,
        )


class Experiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be found out. `rule` is the rule that splits (nothing: `otherwise`), `ends` the planned last day."""

    key: str
    hypothesis: str
    candidate: str
    primary: Primary
    rule: str | None = None
    ends: date | None = None


def check_experiment(experiment: Experiment, flag: Flag, guardrails: Sequence[Guardrail]) -> None:
    """Raise Invalid unless this experiment can be begun on the flag as it is."""
    where, primary = "experiment", experiment.primary
    if not experiment.key.strip() or len(experiment.key) > 100:
        raise Invalid(f"{where}: key", f"is `{experiment.key}`", "a short name of its own")
    if not experiment.hypothesis.strip() or len(experiment.hypothesis) > MOST_TEXT:
        raise Invalid(f"{where}: hypothesis", "is empty or too long", "what you expect, and why, in a few sentences")
    if primary.kind in (GuardrailKind.FALLBACK, GuardrailKind.QUERY):
        raise Invalid(f"{where}: primary.kind", f"is `{primary.kind}`", "`rate`, `mean`, `ratio` or `tail`")
    watched = {(each.kind, each.metric, each.denominator) for each in guardrails}
    if (primary.kind, primary.metric, primary.denominator) in watched:
        accepted = "a metric of success; what must not get worse stays a guardrail"
        raise Invalid(f"{where}: primary.metric", f"`{primary.metric}` is a guardrail of the flag", accepted)
    try:
        primary.watched()
    except Invalid as why:
        field = why.field.rpartition(": ")[2]
        raise Invalid(f"{where}: primary.{field}", why.problem, why.accepted) from why
    if not guardrails:
        raise Invalid(f"{where}: flag", f"`{flag.key}` has no guardrail", "a flag with a guardrail")
    rollout = _serve(experiment, flag).rollout
    if not flag.enabled or rollout is None or not _splits(dict(rollout.weights), experiment.candidate, flag.baseline):
        accepted = f"a rule of a flag that is on, which splits it from `{flag.baseline}` (the baseline)"
        raise Invalid(f"{where}: candidate", f"`{experiment.candidate}` is not split from the baseline", accepted)


def _splits(weights: dict[str, int], candidate: str, baseline: str) -> bool:
    return candidate != baseline and weights.get(candidate, 0) > 0 and weights.get(baseline, 0) > 0


def _serve(experiment: Experiment, flag: Flag) -> Serve:
    if experiment.rule is None:
        return flag.otherwise
    rule = flag.rule(experiment.rule)
    if rule is None:
        raise Invalid("experiment: rule", f"`{flag.key}` has no rule `{experiment.rule}`", "the id of one of its rules")
    return rule.serve


# ---------------------------------------------------------------- what came of it


class Finding(StrEnum):
    """What the primary metric says of the hypothesis."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    CANNOT_JUDGE = "cannot_judge"


class Advice(StrEnum):
    """What to do about it."""

    CONTINUE = "continue"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"
    INCONCLUSIVE = "inconclusive"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Something fixed at the start that was edited while it ran: what, by which change, and how that was justified."""

    at: datetime
    what: str
    change: str
    justification: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment has shown so far.

    `interval` is the candidate's figure relative to the baseline's (1.0: equal), an open end is None; both ends
    together err with probability `alpha` over all looks.
    """

    finding: Finding
    advice: Advice
    sentence: str
    because: str
    interval: tuple[float | None, float | None] | None
    alpha: float
    primary: Verdict
    guardrails: tuple[Verdict, ...]
    marks: tuple[Mark, ...] = ()


BLIND = frozenset(
    {
        VerdictReason.NO_DATA,
        VerdictReason.NO_CONTROL,
        VerdictReason.NO_DENOMINATOR,
        VerdictReason.COVERAGE,
        VerdictReason.UNEVEN_COVERAGE,
        VerdictReason.SAMPLE_RATIO,
        VerdictReason.FALLBACK,
    }
)
"""Why a figure cannot be judged, beside that it is too early."""


def conclude(
    experiment: Experiment, primary: Verdict, guardrails: Sequence[Verdict], marks: Sequence[Mark], now: datetime
) -> Outcome:
    """What the figures come to. `primary` is judged at half of `ALPHA`, for each end of its interval."""
    finding = _finding(experiment.primary, primary)
    advice, because = _advice(experiment, finding, guardrails, now)
    return Outcome(
        finding=finding,
        advice=advice,
        sentence=_sentence(experiment.primary, finding, primary, marks),
        because=because,
        interval=primary.interval,
        alpha=ALPHA,
        primary=primary,
        guardrails=tuple(guardrails),
        marks=tuple(marks),
    )


def _finding(primary: Primary, verdict: Verdict) -> Finding:
    if verdict.status is VerdictStatus.CANNOT_JUDGE:
        return Finding.CANNOT_JUDGE
    low, high = verdict.interval or (None, None)
    above, below = low is not None and low > 1, high is not None and high < 1
    if not above and not below:
        return Finding.UNDECIDED
    return Finding.BETTER if above == (primary.better is Better.HIGHER) else Finding.WORSE


def _advice(
    experiment: Experiment, finding: Finding, guardrails: Sequence[Verdict], now: datetime
) -> tuple[Advice, str]:
    if breached := [each.sentence for each in guardrails if each.status is VerdictStatus.BREACHED]:
        return Advice.ROLL_BACK, "; ".join(breached)
    if finding is Finding.WORSE:
        return Advice.ROLL_BACK, "the candidate does worse on what it was to improve"
    if blind := [each.sentence for each in guardrails if each.reason in BLIND]:
        return Advice.PAUSE, "; ".join(blind)
    if finding is Finding.CANNOT_JUDGE:
        return Advice.PAUSE, "what it is judged by cannot be judged"
    open_yet = [each.guardrail for each in guardrails if each.status is not VerdictStatus.HOLDING]
    if finding is Finding.BETTER and not open_yet:
        return Advice.CONTINUE, "the hypothesis holds, and so does every guardrail"
    if finding is Finding.BETTER:
        return Advice.INCONCLUSIVE, f"the hypothesis holds; it is too early for {', '.join(open_yet)}"
    if experiment.ends is not None and now.date() > experiment.ends:
        return Advice.INCONCLUSIVE, f"its time ended on {experiment.ends}, and no difference is shown either way"
    return Advice.INCONCLUSIVE, "no difference is shown yet, either way; it may go on"


def _sentence(primary: Primary, finding: Finding, verdict: Verdict, marks: Sequence[Mark]) -> str:
    if finding is Finding.CANNOT_JUDGE:
        said = verdict.sentence
    else:
        guardrail = primary.watched()
        ours, theirs = shown(guardrail, verdict.candidate_value), shown(guardrail, verdict.baseline_value)
        units = f"{verdict.candidate_units:,} and {verdict.baseline_units:,} units"
        said = f"{guardrail.name}: {ours} on the candidate, {theirs} on the baseline ({units}); {_range(verdict)}"
    return said + ("; what was fixed at the start was changed while it ran" if marks else "")


def _range(verdict: Verdict) -> str:
    low, high = verdict.interval or (None, None)
    sure = f"{percent(1 - ALPHA)} sure, at any number of looks"
    if low is None and high is None:
        return f"how they compare is still open ({sure})"
    if low is None or high is None:
        end = f"at most {_change(high)}" if low is None else f"at least {_change(low)}"
        return f"the difference is {end} ({sure})"
    return f"the difference is between {_change(low)} and {_change(high)} ({sure})"


def _change(ratio: float | None) -> str:
    change = 0.0 if ratio is None else ratio - 1
    return f"{'+' if change >= 0 else '-'}{percent(abs(change))}"
