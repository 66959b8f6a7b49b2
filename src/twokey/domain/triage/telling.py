"""The analyst's sentences. Every figure in them comes out of the notebook, and so is cited.

Rules kept here:
- plain sentences: what does worse than what, by how much, on how many units, since when;
- names of rules, flags and variations are ours; names out of signals and telemetry only where they are plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from twokey.domain.finding import Recommendation
from twokey.domain.guardrail import GuardrailKind, sentences
from twokey.domain.triage import facts, suspicion, timing
from twokey.domain.triage.cohorts import Confined
from twokey.domain.triage.collected import Collected, Measurement, Observed
from twokey.domain.triage.notebook import Notebook, named, plain
from twokey.domain.triage.remedy import Passed, Remedy
from twokey.domain.triage.suspicion import Suspicion

NAMED = 5
"""At most so many signals, changes elsewhere or other controls are named in a summary."""


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def count(value: int) -> str:
    """A count of units."""
    return f"{value:,}"


def share(value: float) -> str:
    """A share that is in percent already."""
    return f"{value:g} %"


def rate(value: float) -> str:
    """Units a minute."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def ago(minutes: float) -> str:
    """A span before the signal: `32 minutes`, `5 hours`, `3 days`."""
    whole = max(0, round(minutes))
    if whole < 120:
        return f"{whole} minute{'' if whole == 1 else 's'}"
    return f"{round(whole / 60)} hours" if whole < 48 * 60 else f"{round(whole / 1440)} days"


def clock(text: str) -> str:
    """The time of day of an RFC 3339 time."""
    return f"{datetime.fromisoformat(text):%H:%M}"


class Teller:
    """Writes about one case in one notebook."""

    def __init__(self, collected: Collected, notebook: Notebook) -> None:
        self.collected, self.notebook = collected, notebook
        self.moment = timing.started(collected.signals)

    # ------------------------------------------------------------ the signal

    def alarm(self) -> str:
        """Which signals, since when."""
        ordered = sorted(self.collected.signals, key=lambda each: each.alert.starts_at, reverse=True)[::-1]
        names = [plain(each.alert.name, "an alert") for each in ordered]
        told = listed(tuple(dict.fromkeys(names))[:NAMED])
        first = facts.signal(self.notebook, ordered[0])
        return f"{told} since {first.figure('starts_at', 'the first signal began', clock)} UTC."

    # ------------------------------------------------------------ a suspected control

    def suspect(self, found: Suspicion) -> str:
        """Which control, and what it does worse."""
        control = found.control
        worse = "; ".join(self.contrasts(found))
        return (
            f"The likely control is `{control.key}` ({control.surface}): units that {self.where(found)} assigned "
            f"`{found.variation}` do worse than those on the baseline: {worse}."
        )

    def where(self, found: Suspicion) -> str:
        """The rules in words."""
        return listed([f"rule `{rule}`" if rule else "`otherwise`" for rule in found.rules])

    def contrasts(self, found: Suspicion) -> list[str]:
        """The figures of every breached guardrail on both sides."""
        return [self.contrast(found.control.key, each) for each in found.breached]

    def contrast(self, flag: str, measurement: Measurement) -> str:
        """One guardrail's figures on both sides."""
        guardrail, verdict = measurement.guardrail, measurement.verdict
        sheet = facts.verdict(self.notebook, flag, measurement)
        units = sheet.figure("candidate_units", f"{guardrail.name}: candidate units", count)
        if verdict.kind is GuardrailKind.FALLBACK:
            fell = sheet.figure("fallback_share", "candidate units served something else", sentences.percent)
            return f"{guardrail.name} {fell} of {units} units"
        others = sheet.figure("baseline_units", f"{guardrail.name}: baseline units", count)
        if verdict.candidate_value is None or verdict.baseline_value is None:
            return f"{guardrail.name} ({units} and {others} units)"
        return f"{self.figures(flag, measurement)} ({units} and {others} units)"

    def figures(self, flag: str, measurement: Measurement) -> str:
        """`p95 latency 4.8 s against 2.1 s`."""
        guardrail = measurement.guardrail
        sheet = facts.verdict(self.notebook, flag, measurement)

        def render(value: float) -> str:
            return sentences.shown(guardrail, value)

        ours = sheet.figure("candidate_value", f"{guardrail.name} on the candidate", render)
        theirs = sheet.figure("baseline_value", f"{guardrail.name} on the baseline", render)
        return f"{guardrail.name} {ours} against {theirs}"

    def moved(self, observed: Observed) -> str:
        """When the control's reach last moved, seen from the signal."""
        found = timing.edits(observed.versions)
        before, after = timing.last_before(found, self.moment), timing.first_after(found, self.moment)
        if before is not None:
            told = f"It last moved {self.span(observed.flag, before)} before: {self.moves(observed.flag, before)}"
            return f"{told}{self._on_record(observed, before)}."
        if after is not None:
            sheet = facts.edit(self.notebook, observed.flag, after, self.moment)
            at = sheet.figure("at", f"{observed.flag} moved", clock)
            return f"It moved only afterwards, at {at} UTC, so it does not explain how the trouble began."
        return "No change of it is on record."

    def _on_record(self, observed: Observed, edit: timing.Edit) -> str:
        """Where the audit log has that change, and what kind of actor made it."""
        entry = next((each for each in observed.audited if each.happening.subject == edit.version.change), None)
        if entry is None:
            return ""
        sheet = facts.audited(self.notebook, entry)
        index = sheet.figure("entry", f"audit entry about the last change of {observed.flag}", str)
        return f" (audit entry {index}, by {sheet.figure('by', 'who made that change')})"

    def span(self, flag: str, edit: timing.Edit) -> str:
        """How long before the signal an edit was."""
        sheet = facts.edit(self.notebook, flag, edit, self.moment)
        return sheet.figure("minutes_before_signal", f"{flag} moved before the signal", ago)

    def moves(self, flag: str, edit: timing.Edit) -> str:
        """What an edit moved, from which share to which."""
        sheet = facts.edit(self.notebook, flag, edit, self.moment)
        found = sheet.made.body["moves"]
        told = [self._move(flag, edit, at, each["rule"], each["variation"]) for at, each in enumerate(found[:NAMED])]
        return listed(told) if told else "its targeting or conditions"

    def _move(self, flag: str, edit: timing.Edit, index: int, rule: str, variation: str) -> str:
        sheet = facts.edit(self.notebook, flag, edit, self.moment)
        says = f"`{variation}` in {f'rule `{rule}`' if rule else '`otherwise`'}"
        before = sheet.figure(f"moves.{index}.from", f"{says} before", share)
        after = sheet.figure(f"moves.{index}.to", f"{says} after", share)
        return f"{says} from {before} to {after}"

    def cohort(self, flag: str, found: Confined) -> str:
        """That the harm is in one cohort only, with the figures inside and outside it."""
        told = [self._inside(flag, found, index) for index in range(len(found.verdicts))]
        return f"The harm is confined to {named(found.attribute)} {plain(found.value, 'one value')}: {'; '.join(told)}."

    def _inside(self, flag: str, found: Confined, index: int) -> str:
        verdict = found.verdicts[index]
        guardrail = verdict.measurement.guardrail
        sheet = facts.cohorts(self.notebook, flag, found.attribute, [verdict])

        def units(side: str) -> str:
            words = f"{guardrail.name}: candidate units {side} the cohort"
            return sheet.figure(f"cohorts.0.{side}.candidate_units", words, count)

        how = "harm is excluded" if outside_holds(found, index) else "it does not separate"
        inside, outside = units("inside"), units("outside")
        return f"{guardrail.name} is breached on {inside} candidate units inside it and {how} on {outside} outside"

    def together(self, found: Suspicion) -> str:
        """That it does harm only where another flag serves its candidate too."""
        if not found.together:
            return ""
        told = listed([f"`{each}`" for each in found.together])
        return f"It does so only among units that {told} gave its candidate as well: the two do harm together."

    def replayed(self, found: Suspicion, remedy: Remedy) -> str:
        """What the recommended operation would have done to the recorded units."""
        if remedy.replayed is None:
            return ""
        sheet = facts.replayed(self.notebook, found.control.key, remedy.title, remedy.replayed)
        units = sheet.figure("units", "recorded units replayed", count)
        harmed = sheet.figure("harmed", "of them served what harms", count)
        excluded = sheet.figure("excluded", "of these served something else after the operation", count)
        others = sheet.figure("others_moved", "other units it would have moved", count)
        return (
            f"By replay of {units} recorded units it takes the harm from {excluded} of {harmed}, "
            f"and moves {others} others."
        )

    def passed(self, found: Suspicion, lower: Passed) -> str:
        """A lower rung, and why it would not do."""
        if lower.replayed is None:
            return lower.why
        sheet = facts.replayed(self.notebook, found.control.key, lower.why, lower.replayed)
        excluded = sheet.figure("excluded", "harmed units a lower rung would have excluded", count)
        harmed = sheet.figure("harmed", "of so many", count)
        return f"{lower.why}: by replay {excluded} of {harmed} harmed units"

    # ------------------------------------------------------------ what else there is

    def explained(self) -> str:
        """Flags that look worse only because another one is."""
        told = [
            f"`{flag}` looks worse only among units that {listed([f'`{each}`' for each in sorted(others)])} gave its "
            "candidate, and is cleared."
            for flag, others in suspicion.explained(self.collected).items()
        ]
        return " ".join(told[:NAMED])

    def mix(self) -> str:
        """That more, fewer or other units come than before."""
        found = self.collected.mix
        if found is None or not (found.load_changed or found.shifted):
            return ""
        sheet, parts = facts.mix(self.notebook, found), []
        if found.load_changed:
            before = sheet.figure("units_a_minute_before", "units a minute before", rate)
            after = sheet.figure("units_a_minute_after", "units a minute since", rate)
            parts.append(f"{after} units a minute come, {before} before")
        for index, each in enumerate(found.shifted[:2]):
            says = f"{named(each.attribute)} {plain(each.value, 'one value')}"
            before = sheet.figure(f"shifted.{index}.before", f"share of {says} before", share)
            after = sheet.figure(f"shifted.{index}.after", f"share of {says} since", share)
            parts.append(f"{says} went from {before} to {after} of the units")
        return f"Traffic changed: {listed(parts)}."

    def others(self, rest: Sequence[Suspicion]) -> str:
        """The controls that are suspected as well."""
        told = [f"`{each.control.key}` ({listed(self.contrasts(each))})" for each in rest[:NAMED]]
        return f"Also suspected: {listed(told)}; each needs a look of its own." if told else ""

    def cleared(self, observed: Sequence[Observed]) -> str:
        """Controls that moved before the signal, and do not separate, or not by more than chance."""
        told, by_chance = [], suspicion.by_chance(self.collected)
        for each in observed:
            before = timing.last_before(timing.edits(each.versions), self.moment)
            if before is not None and suspicion.near(before.at, self.moment) and each.measurements:
                span = self.span(each.flag, before)
                known = ", so it is the first to look at" if each.flag in by_chance else " and does not separate"
                told.append(f"`{each.flag}` moved {span} before{known}.")
        return " ".join(told[:NAMED])

    def elsewhere(self, explains: bool) -> str:
        """Changes elsewhere near the signal; they reach both arms alike, so they cannot explain a difference."""
        near = [each for each in self.collected.changes if suspicion.near(each.event.at, self.moment)]
        told = []
        for each in sorted(near, key=lambda change: change.event.at, reverse=True)[:NAMED]:
            sheet = facts.elsewhere(self.notebook, each, self.moment)
            span = sheet.figure("minutes_before_signal", f"{each.event.kind} elsewhere", ago)
            told.append(f"a {each.event.kind} of {plain(each.event.service, 'another service')} {span} before")
        if not told:
            return ""
        if explains:
            return f"Near in time: {listed(told)}, which no flag controls; look there first."
        return f"Near in time, but reaching both arms alike: {listed(told)}."

    # ------------------------------------------------------------ what to expect

    def effect(self, found: Suspicion, remedy: Remedy) -> str:
        """What should be seen after the operation, and who keeps what."""
        if remedy.recommendation is Recommendation.STRICTER_MODE:
            return f"{self._who(found, remedy)} get `{remedy.to}`, which does no harm on these guardrails."
        if remedy.recommendation is Recommendation.REDUCE_PERCENTAGE:
            return f"Fewer units of {self.where(found)} meet `{found.variation}`, whose figures keep the agreed limits."
        figures = [
            each
            for each in found.breached
            if each.verdict.baseline_value is not None and each.verdict.kind is not GuardrailKind.FALLBACK
        ]
        who = self._who(found, remedy)
        told = listed([self._back(found.control.key, each) for each in figures])
        back = f"{told} for {who}" if told else f"{who} get the baseline"
        kept = f"; members of `{self.collected.internal_segment}` keep `{found.variation}`"
        stays = kept if remedy.keeps_internal else ""
        return f"{back[0].upper()}{back[1:]}{stays}. With no control arm left the comparison is before and after."

    def _who(self, found: Suspicion, remedy: Remedy) -> str:
        who = f"the units that {self.where(found)} assigned `{found.variation}`"
        if remedy.confined is None:
            return who
        return f"{who} in {named(remedy.confined.attribute)} {plain(remedy.confined.value, 'that cohort')}"

    def _back(self, flag: str, measurement: Measurement) -> str:
        guardrail = measurement.guardrail
        sheet = facts.verdict(self.notebook, flag, measurement)
        theirs = sheet.figure(
            "baseline_value", f"{guardrail.name} on the baseline", lambda value: sentences.shown(guardrail, value)
        )
        return f"{guardrail.name} back to about {theirs}"


def outside_holds(found: Confined, index: int) -> bool:
    """Whether harm outside the cohort is excluded, rather than only not seen."""
    return found.verdicts[index].outside.passes
