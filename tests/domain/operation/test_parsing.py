"""The border: JSON becomes an operation once, and what is refused is refused by field."""

from typing import Any

import pytest

from twokey.domain import operation as op
from twokey.engine import Invalid, Serve

GOOD = {"op": "set_enabled", "flag": "f", "enabled": False}


def test_bytes_text_and_objects_are_read_alike() -> None:
    wanted = op.SetEnabled(flag="f", enabled=False)
    assert op.parse_operation(GOOD) == wanted
    assert op.parse_operation('{"op": "set_enabled", "flag": "f", "enabled": false}') == wanted
    assert op.parse_operation(b'{"op": "set_enabled", "flag": "f", "enabled": false}') == wanted


@pytest.mark.parametrize(
    ("document", "field", "says", "accepted"),
    [
        ({}, "operation.op", "missing", "set_enabled"),
        ({"op": "grant_role"}, "operation.op", "`grant_role` is not an operation", "set_enabled"),
        ({"op": "start_rollout"}, "operation.op", "not an operation", "set_weights"),
        ({"op": 7}, "operation.op", "`7`", "set_enabled"),
        ({"op": "set_enabled", "flag": "f"}, "operation.enabled", "missing", "`enabled`"),
        (GOOD | {"credentials": "x"}, "operation.credentials", "no field", "`flag`"),
        (GOOD | {"enabled": 1}, "operation.enabled", "expected `bool`", "set_enabled"),
        (GOOD | {"flag": None}, "operation.flag", "expected `str`", "set_enabled"),
        (
            {"op": "set_otherwise", "flag": "f", "serve": {"variation": "a", "percent": 3}},
            "operation.serve.percent",
            "no field",
            "operations",
        ),
        (
            {"op": "set_clauses", "flag": "f", "rule": "r", "clauses": [{"attribute": "a", "operator": "like"}]},
            "operation.clauses[0].operator",
            "like",
            "set_clauses",
        ),
        (
            {"op": "set_weights", "flag": "f", "weights": [["on", 0.5], ["off", 1]]},
            "operation.weights[0][1]",
            "expected `int`",
            "set_weights",
        ),
        (
            {
                "op": "edit_control",
                "flag": "f",
                "guardrails": [{"key": "g", "metric": "m", "kind": "rate", "limit": 5}],
            },
            "operation, guardrail g: limit",
            "5",
            "0.05",
        ),
        ({"op": "edit_control", "flag": "f", "roles": ["admin"]}, "operation.roles", "no field", "`owner`"),
        (["set_enabled"], "operation", "list", "object"),
        ("[]", "operation", "list", "object"),
        ("{", "operation", "not JSON", "JSON"),
        (b"\xff", "operation", "not JSON", "JSON"),
    ],
)
def test_what_is_no_operation_is_refused_by_field(document: Any, field: str, says: str, accepted: str) -> None:
    with pytest.raises(Invalid) as caught:
        op.parse_operation(document)
    assert caught.value.field == field
    assert says in caught.value.problem
    assert accepted in caught.value.accepted


def test_an_unknown_operation_lists_every_one_that_is_known() -> None:
    with pytest.raises(Invalid) as caught:
        op.parse_operation({"op": "nope"})
    assert caught.value.accepted.split(", ") == list(op.NAMES)


def test_no_operation_speaks_of_permissions() -> None:
    """Hard authorization stays outside flags: nothing in the closed set can express it."""
    for kind in op.NAMES:
        assert not {"role", "permission", "token", "credential", "policy"} & set(kind.split("_"))


def test_a_proposal_s_operations_are_read_in_order_and_named_by_place() -> None:
    assert op.parse_operations([GOOD, GOOD | {"enabled": True}]) == (
        op.SetEnabled(flag="f", enabled=False),
        op.SetEnabled(flag="f", enabled=True),
    )
    with pytest.raises(Invalid) as caught:
        op.parse_operations([GOOD, {"op": "nope"}])
    assert caught.value.field == "operations[1].op"


@pytest.mark.parametrize("count", [0, 51])
def test_a_proposal_has_one_to_fifty_operations(count: int) -> None:
    with pytest.raises(Invalid, match=f"has {count} of them"):
        op.parse_operations([GOOD] * count)


def test_what_is_not_given_is_told_apart_from_nothing() -> None:
    cleared = op.parse_operation({"op": "edit_control", "flag": "f", "review_date": None})
    assert cleared == op.EditControl(flag="f", review_date=None)
    assert cleared != op.EditControl(flag="f", owner="ann")
    assert op.parse_operation({"op": "set_otherwise", "flag": "f", "serve": {"variation": "a"}}) == op.SetOtherwise(
        flag="f", serve=Serve(variation="a")
    )
