"""OpenFeature's server SDK for Node with the community's OFREP provider, unmodified, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients_js.conftest import THEME
from tests.clients_js.toolchain import NodeClient
from tests.support.ofrep_server import OfrepServer
from twokey.domain.identity import Scope
from twokey.domain.operation import SetEnabled

GOOD = "good"


@pytest.fixture(scope="module")
def node(server: OfrepServer) -> Iterator[NodeClient]:
    made = NodeClient()
    assert made.connect(GOOD, server.url, ("Authorization", f"Bearer {server.token()}")) == "READY"
    yield made
    made.close()


@pytest.mark.parametrize(
    ("key", "type", "fallback", "value", "variant", "reason"),
    [
        ("banner", "boolean", False, True, "on", "STATIC"),
        ("title", "string", "", "Welcome", "everyone", "DEFAULT"),
        ("limit", "number", 0, 10, "ten", "STATIC"),
        ("ratio", "number", 0, 0.5, "half", "STATIC"),
        ("whole", "number", 0, 2, "two", "STATIC"),
        ("theme", "object", {}, THEME, "blue", "STATIC"),
        ("disabled", "boolean", True, False, "off", "DISABLED"),
        ("split", "string", "", "B", "b", "SPLIT"),
        ("back-office", "boolean", False, True, "on", "STATIC"),
    ],
)
def test_each_type_has_its_value_and_its_reason(
    node: NodeClient, key: str, type: str, fallback: Any, value: Any, variant: str, reason: str
) -> None:
    found = node.details(GOOD, type, key, fallback, targetingKey="u-1")
    assert (found["value"], found["variant"], found["reason"]) == (value, variant, reason)
    assert "errorCode" not in found
    metadata = found["flagMetadata"]
    assert (metadata["flagSetId"], metadata["version"], metadata["contextId"]) == ("support/production", "1", "u-1")


def test_each_evaluation_has_a_context_of_its_own(node: NodeClient) -> None:
    staff = node.details(GOOD, "string", "title", "", targetingKey="u-1", email="ines@example.com")
    assert (staff["value"], staff["reason"], staff["flagMetadata"]["rule"]) == ("Grüezi 😀", "TARGETING_MATCH", "staff")
    other = node.details(GOOD, "string", "title", "", targetingKey="u-1", email="ines@example.org")
    assert (other["value"], other["reason"]) == ("Welcome", "DEFAULT")
    nobody = node.details(GOOD, "string", "title", "")
    assert (nobody["value"], nobody["reason"]) == ("Welcome", "DEFAULT")


@pytest.mark.parametrize("key", ["nobody", "no.such-flag_1", "title%2F..%2Fbanner", "grüezi"])
def test_an_unknown_flag_is_told_as_such(node: NodeClient, key: str) -> None:
    found = node.details(GOOD, "string", key, "mine", targetingKey="u-1")
    assert (found["value"], found["reason"], found["errorCode"]) == ("mine", "ERROR", "FLAG_NOT_FOUND")


@pytest.mark.parametrize(
    ("key", "type", "fallback"),
    [("title", "number", 3), ("banner", "string", "mine"), ("limit", "boolean", True), ("theme", "number", 3)],
)
def test_another_type_than_the_flags_is_a_mismatch(node: NodeClient, key: str, type: str, fallback: Any) -> None:
    found = node.details(GOOD, type, key, fallback, targetingKey="u-1")
    assert (found["value"], found["errorCode"]) == (fallback, "TYPE_MISMATCH")


def test_who_may_not_ask_gets_the_default_and_no_value(node: NodeClient, server: OfrepServer) -> None:
    """The SDK has no code of its own for it; its provider's errors for 401 and 403 come out as GENERAL."""
    for domain, headers, status in (
        ("nobody", (), 401),
        ("wrong", (("Authorization", "Bearer wrong"),), 401),
        ("reader", (("Authorization", f"Bearer {server.token(Scope.FLAGS_READ)}"),), 403),
    ):
        node.connect(domain, server.url, *headers)
        found = node.details(domain, "boolean", "banner", False, targetingKey="u-1")
        assert (found["value"], found["reason"], found["errorCode"]) == (False, "ERROR", "GENERAL")
        assert server.watched.asked("single")[-1].status == status


def test_an_api_key_is_as_good_as_a_bearer_token(node: NodeClient, server: OfrepServer) -> None:
    node.connect("key", server.url, ("X-API-Key", server.token()))
    assert node.details("key", "boolean", "banner", False, targetingKey="u-1")["value"] is True


def test_a_change_is_evaluated_by_the_next_request(node: NodeClient, server: OfrepServer) -> None:
    before = node.details(GOOD, "boolean", "banner", False, targetingKey="u-1")
    server.change(SetEnabled(flag="banner", enabled=False))
    after = node.details(GOOD, "boolean", "banner", True, targetingKey="u-1")
    assert (before["value"], after["value"], after["reason"]) == (True, False, "DISABLED")
    assert int(after["flagMetadata"]["version"]) > int(before["flagMetadata"]["version"])
    server.change(SetEnabled(flag="banner", enabled=True))
