"""What a flag serves: enabled or not, `otherwise`, what a rule serves, the weights of a rollout."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from twokey.domain.control import State
from twokey.domain.operation.edits import Law, Laws, edit_flag, flag_field, flag_of, rule_of
from twokey.domain.operation.kinds import Operation, SetEnabled, SetOtherwise, SetRuleServe, SetWeights
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Rollout, Serve


def set_rule(state: State, flag: str, rule: str, **changes: Any) -> State:
    """The state with fields of one rule set anew."""
    place, found = rule_of(flag_of(state, flag), rule)
    rules = flag_of(state, flag).rules
    return edit_flag(state, flag, rules=(*rules[:place], replace(found, **changes), *rules[place + 1 :]))


def _set_rule_serve(state: State, op: SetRuleServe) -> State:
    return set_rule(state, op.flag, op.rule, serve=op.serve)


def _undo_rule_serve(state: State, op: SetRuleServe) -> tuple[Operation, ...]:
    _, rule = rule_of(flag_of(state, op.flag), op.rule)
    return (SetRuleServe(flag=op.flag, rule=op.rule, serve=rule.serve),)


def _set_weights(state: State, op: SetWeights) -> State:
    flag = flag_of(state, op.flag)
    serve = Serve(rollout=replace(_rollout(flag, op.rule), weights=op.weights))
    if op.rule is None:
        return edit_flag(state, op.flag, otherwise=serve)
    return set_rule(state, op.flag, op.rule, serve=serve)


def _undo_weights(state: State, op: SetWeights) -> tuple[Operation, ...]:
    weights = _rollout(flag_of(state, op.flag), op.rule).weights
    return (SetWeights(flag=op.flag, rule=op.rule, weights=weights),)


def _rollout(flag: Flag, rule: str | None) -> Rollout:
    serve = flag.otherwise if rule is None else rule_of(flag, rule)[1].serve
    if serve.rollout is None:
        place = "`otherwise`" if rule is None else f"rule `{rule}`"
        accepted = "a rule (or `otherwise`) that rolls out; else use set_rule_serve or set_otherwise"
        raise Invalid("rule", f"{place} of flag `{flag.key}` serves one variation and has no weights", accepted)
    return serve.rollout


LAWS: Laws = {
    SetEnabled: flag_field(SetEnabled, "enabled"),
    SetOtherwise: flag_field(SetOtherwise, "otherwise", "serve"),
    SetRuleServe: Law(_set_rule_serve, _undo_rule_serve),
    SetWeights: Law(_set_weights, _undo_weights),
}
