"""What an edit of access governs, as the written policy is asked: roles, guarding, approvers, clocks and so on."""

from __future__ import annotations

from twokey.domain.access import (
    Access,
    AccessEdit,
    GrantRole,
    RevokeRole,
    SetApprovers,
    SetGuarding,
    SetHours,
    SetOrder,
    SetPolicies,
    WithdrawOrder,
)

_GOVERNS: dict[type[AccessEdit], str] = {
    GrantRole: "roles",
    RevokeRole: "roles",
    SetGuarding: "guarding",
    SetApprovers: "approvers",
    SetHours: "clocks",
    SetPolicies: "policies",
    SetOrder: "orders",
    WithdrawOrder: "orders",
}


def governed(access: Access, edit: AccessEdit) -> tuple[str, tuple[str, str]]:
    """What an edit governs, and in which project and environment (empty: everywhere), as the written policy is asked.

    A role in a whole project is asked for as one that holds everywhere.
    """
    place = ("", "")
    match edit:
        case GrantRole() | RevokeRole():
            project, _, environment = edit.grant.partition("@")[2].partition("/")
            place = (project, environment) if f"{project}/{environment}" in access.environments else place
        case SetGuarding() | SetApprovers() | SetHours() | SetOrder():
            place = (edit.project, edit.environment)
        case WithdrawOrder():
            rule = access.orders.get(edit.order)
            place = (rule.project, rule.environment) if rule else place
        case SetPolicies():
            pass
    return _GOVERNS[type(edit)], place
