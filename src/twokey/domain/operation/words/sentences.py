"""One sentence for people about each kind of operation.

Rule: describing never fails. Where the state does not have what an operation speaks of (it comes with an earlier one of
the same proposal), the sentence says less.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import fields

from twokey.domain.control import Control, State
from twokey.domain.experiment import Experiment
from twokey.domain.operation import kinds as op
from twokey.domain.operation.words.phrases import (
    MAX_TEXT,
    clauses_text,
    list_text,
    serve_text,
    value_text,
    weights_text,
)
from twokey.engine.flag import Flag, Rule


def describe(operation: op.Operation, state: State) -> str:
    """What the operation does, in one sentence without a full stop; `state` is the one before it."""
    match operation:
        case op.SetEnabled() | op.SetOtherwise() | op.SetRuleServe() | op.SetWeights():
            return _serving(operation, state)
        case op.AddRule() | op.RemoveRule() | op.MoveRule() | op.SetClauses():
            return _ruling(operation, state)
        case op.AddTargets() | op.RemoveTargets() | op.SetPrerequisites() | op.SetUnit():
            return _targeting(operation, state)
        case op.AddVariation() | op.EditVariation() | op.RemoveVariation() | op.SetBaseline():
            return _varying(operation, state)
        case op.SetCaution() | op.SetSchema() | op.SetClientVisible() | op.SetExperiment() | op.EditControl():
            return _keeping(operation)
        case op.CreateSegment() | op.EditSegment() | op.ArchiveSegment():
            return _segmenting(operation, state)
        case op.CreateFlag() | op.DeleteFlag() | op.ArchiveFlag() | op.RestoreFlag():
            return _coming_and_going(operation)


def _serving(operation: op.SetEnabled | op.SetOtherwise | op.SetRuleServe | op.SetWeights, state: State) -> str:
    flag = _flag(state, operation.flag)
    match operation:
        case op.SetEnabled(enabled=True):
            return f"Enable {operation.flag}"
        case op.SetEnabled():
            return f"Disable {operation.flag}: everyone gets {flag.baseline if flag else 'the baseline'}"
        case op.SetOtherwise(serve=serve):
            was = f" instead of {serve_text(flag.otherwise)}" if flag else ""
            return f"Everyone else gets {serve_text(serve)} from {operation.flag}{was}"
        case op.SetRuleServe(serve=serve):
            rule = _rule(flag, operation.rule)
            was = f" instead of {serve_text(rule.serve)}" if rule else ""
            return f"{_place(operation.flag, operation.rule, rule)} gets {serve_text(serve)}{was}"
        case op.SetWeights(weights=weights):
            return _weights(operation, flag, weights_text(weights))


def _weights(operation: op.SetWeights, flag: Flag | None, wanted: str) -> str:
    rule = _rule(flag, operation.rule)
    serve = rule.serve if rule else flag.otherwise if flag and operation.rule is None else None
    was = f" instead of {weights_text(serve.rollout.weights)}" if serve and serve.rollout else ""
    return f"{_place(operation.flag, operation.rule, rule)} gets {wanted}{was}"


def _ruling(operation: op.AddRule | op.RemoveRule | op.MoveRule | op.SetClauses, state: State) -> str:
    flag = _flag(state, operation.flag)
    rule = _rule(flag, operation.rule) if not isinstance(operation, op.AddRule) else None
    match operation:
        case op.AddRule(rule=new, position=position):
            where = "last" if position is None else "first" if position == 0 else f"in place {position + 1}"
            return f"Ask {where} in {operation.flag}: if {clauses_text(new.clauses)} -> {serve_text(new.serve)}"
        case op.RemoveRule(rule=rule_id):
            was = f": if {clauses_text(rule.clauses)} -> {serve_text(rule.serve)}" if rule else ""
            return f"Remove the rule {rule_id} of {operation.flag}{was}"
        case op.MoveRule(rule=rule_id, position=position):
            return f"Ask the rule {rule_id} of {operation.flag} in place {position + 1}"
        case op.SetClauses(rule=rule_id, clauses=clauses):
            was = f" instead of {clauses_text(rule.clauses)}" if rule else ""
            return f"The rule {rule_id} of {operation.flag} is for {clauses_text(clauses)}{was}"


def _targeting(operation: op.AddTargets | op.RemoveTargets | op.SetPrerequisites | op.SetUnit, state: State) -> str:
    flag = operation.flag
    match operation:
        case op.AddTargets(variation=variation, units=units):
            return f"Give {list_text(units)} {variation} from {flag} before any rule is asked"
        case op.RemoveTargets(variation=variation, units=units):
            return f"Give {list_text(units)} no longer {variation} from {flag} before the rules are asked"
        case op.SetPrerequisites(prerequisites=()):
            return f"{flag} waits for no other flag any longer"
        case op.SetPrerequisites(prerequisites=wanted):
            named = " and ".join(f"{each.flag} to serve {' or '.join(each.variations)}" for each in wanted)
            return f"{flag} waits for {named}"
        case op.SetUnit(unit=unit):
            known = _flag(state, flag)
            was = f" instead of {value_text(known.unit)}" if known else ""
            return f"Assign {flag} by {value_text(unit)}{was}, which reshuffles who is in"


def _varying(operation: op.AddVariation | op.EditVariation | op.RemoveVariation | op.SetBaseline, state: State) -> str:
    flag = _flag(state, operation.flag)
    match operation:
        case op.AddVariation(variation=variation):
            return f"Add the variation {variation.key} = {value_text(variation.value)} to {operation.flag}"
        case op.EditVariation(variation=key, value=value):
            known = next((each for each in flag.variations if each.key == key), None) if flag else None
            was = f" instead of {value_text(known.value)}" if known else ""
            return f"The variation {key} of {operation.flag} is {value_text(value)}{was}"
        case op.RemoveVariation(variation=key):
            return f"Remove the variation {key} of {operation.flag}"
        case op.SetBaseline(variation=key):
            was = f" instead of {flag.baseline}" if flag else ""
            return f"The known safe variation of {operation.flag} is {key}{was}"


def _experiment(flag: str, begun: Experiment | None) -> str:
    if begun is None:
        return f"End the experiment on {flag}"
    return f"Experiment on {flag} with {begun.candidate}, judged by {begun.primary.measured}: {begun.hypothesis}"


def _keeping(
    operation: op.SetCaution | op.SetSchema | op.SetClientVisible | op.SetExperiment | op.EditControl,
) -> str:
    flag = operation.flag
    match operation:
        case op.SetCaution(caution=()):
            return f"Only the baseline of {flag} is known to be cautious"
        case op.SetCaution(caution=caution):
            return f"The variations of {flag}, most cautious first: {', '.join(caution)}"
        case op.SetSchema(schema=None):
            return f"Hold the values of {flag} against no schema any longer"
        case op.SetSchema(schema=schema):
            return f"Hold the values of {flag} against the schema {value_text(schema)}"
        case op.SetClientVisible(client_visible=visible):
            return f"{'Give' if visible else 'Do not give'} {flag} to clients on people's devices"
        case op.SetExperiment(experiment=begun):
            return _experiment(flag, begun)
        case op.EditControl():
            return f"Change what is kept of {flag}: {', '.join(_given(operation))}"


def _given(operation: op.EditControl) -> list[str]:
    named = [(each.name, getattr(operation, each.name)) for each in fields(operation) if each.name != "flag"]
    return [_entry(name, value) for name, value in named if value is not UNSET]


def _entry(name: str, value: object) -> str:
    words = name.replace("_", " ")
    if value is None:
        return f"no {words}"
    if isinstance(value, str):
        return f"{words} {value_text(str(value))}"
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return f"{words} {list_text(value) or 'nobody'}"
    return words if isinstance(value, tuple | dict) else f"{words} {value}"


def _segmenting(operation: op.CreateSegment | op.EditSegment | op.ArchiveSegment, state: State) -> str:
    match operation:
        case op.CreateSegment(segment=segment):
            return f"Create the segment {segment.key}"
        case op.ArchiveSegment(segment=key):
            return f"Archive the segment {key}"
        case op.EditSegment(segment=key):
            return f"Edit the segment {key}: {'; '.join(_segment_changes(operation, state)) or 'nothing changes'}"


def _segment_changes(operation: op.EditSegment, state: State) -> list[str]:
    known = state.segments.get(operation.segment)
    changes = []
    if operation.included is not UNSET:
        changes += _unit_changes("include", known.included if known else (), operation.included)
    if operation.excluded is not UNSET:
        changes += _unit_changes("exclude", known.excluded if known else (), operation.excluded)
    if operation.rules is not UNSET:
        asked = " or ".join(f"if {clauses_text(rule.clauses)}" for rule in operation.rules)
        changes.append(f"its rules are: {asked}" if asked else "it has no rules")
    return changes


def _unit_changes(verb: str, had: tuple[str, ...], wanted: tuple[str, ...]) -> list[str]:
    new = [unit for unit in wanted if unit not in set(had)]
    gone = [unit for unit in had if unit not in set(wanted)]
    return ([f"{verb} {list_text(new)}"] if new else []) + ([f"no longer {verb} {list_text(gone)}"] if gone else [])


def _coming_and_going(operation: op.CreateFlag | op.DeleteFlag | op.ArchiveFlag | op.RestoreFlag) -> str:
    match operation:
        case op.CreateFlag(control=control):
            return f"Create {control.key}, disabled: {_said(control.purpose)}"
        case op.DeleteFlag(flag=key):
            return f"Delete {key}"
        case op.ArchiveFlag(flag=key):
            return f"Archive {key}: applications get their own default"
        case op.RestoreFlag(flag=key):
            return f"Publish {key} again"


def _said(text: str) -> str:
    """Somebody's words as they stand, unless they hold what does not print: then as JSON."""
    return text if text.isprintable() and len(text) <= MAX_TEXT else value_text(text)


def _flag(state: State, key: str) -> Flag | None:
    control: Control | None = state.controls.get(key)
    return None if control is None else control.flag


def _rule(flag: Flag | None, rule: str | None) -> Rule | None:
    return None if flag is None or rule is None else flag.rule(rule)


def _place(flag: str, rule_id: str | None, rule: Rule | None) -> str:
    if rule_id is None:
        return f"Everyone else in {flag}"
    return f"Whoever matches the rule {rule_id} of {flag}" + (f" ({clauses_text(rule.clauses)})" if rule else "")
