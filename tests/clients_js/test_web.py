"""OpenFeature's web SDK with the community's OFREP provider, unmodified, in Chromium, against a real server.

The page has an origin of its own, so that the browser asks the server's leave for everything.
"""

from __future__ import annotations

import pytest

from tests.client.live import eventually
from tests.clients_js.conftest import THEME
from tests.clients_js.page import Application
from twokey.domain.identity import Scope
from twokey.domain.operation import SetEnabled


def test_each_type_has_its_value_and_its_reason(application: Application) -> None:
    assert application.connect() == {"status": "READY"}
    for key, kind, fallback, value, variant, reason in (
        ("banner", "boolean", False, True, "on", "STATIC"),
        ("title", "string", "", "Welcome", "everyone", "DEFAULT"),
        ("limit", "number", 0, 10, "ten", "STATIC"),
        ("ratio", "number", 0, 0.5, "half", "STATIC"),
        ("whole", "number", 0, 2, "two", "STATIC"),
        ("theme", "object", {}, THEME, "blue", "STATIC"),
        ("disabled", "boolean", True, False, "off", "DISABLED"),
        ("split", "string", "", "B", "b", "SPLIT"),
    ):
        found = application.details(kind, key, fallback)
        assert (found["value"], found["variant"], found["reason"]) == (value, variant, reason), key
        assert found.get("errorCode") is None
        metadata = found["flagMetadata"]
        assert (metadata["flagSetId"], metadata["contextId"]) == ("support/production", "u-1")
        assert metadata["version"]
    first, *others = application.asked()
    assert first.operation == "bulk", "one request has them all"
    # The first notice on the stream may have it ask again meanwhile: that there is nothing new.
    assert {(each.operation, each.status) for each in others} <= {("bulk", 304)}


def test_what_is_not_there_or_of_another_type_is_told_as_such(application: Application) -> None:
    application.connect()
    for key, kind, fallback, code in (
        ("nobody", "string", "mine", "FLAG_NOT_FOUND"),
        ("title", "number", 3, "TYPE_MISMATCH"),
        ("banner", "string", "mine", "TYPE_MISMATCH"),
        ("limit", "boolean", True, "TYPE_MISMATCH"),
    ):
        found = application.details(kind, key, fallback)
        assert (found["value"], found["reason"], found["errorCode"]) == (fallback, "ERROR", code)


@pytest.mark.parametrize(("token", "status"), [("", 401), ("wrong", 401), (Scope.FLAGS_READ, 403)])
def test_who_may_not_ask_is_told_once_and_for_all(application: Application, token: str, status: int) -> None:
    secret = application.server.token(token) if isinstance(token, Scope) else token
    assert application.connect(token=secret)["status"] == "FATAL"
    found = application.details("boolean", "banner", False)
    assert (found["value"], found["errorCode"]) == (False, "PROVIDER_FATAL")
    assert [each.status for each in application.asked()] == [status]


def test_the_browser_asks_leave_and_gets_it(application: Application, origin: str) -> None:
    application.connect()
    (preflight, *_), (answer, *_) = application.seen("OPTIONS"), application.asked()
    assert preflight.requested["origin"] == origin
    assert {"authorization", "content-type"} <= set(preflight.requested["access-control-request-headers"].split(","))
    assert answer.headers["access-control-allow-origin"] in (origin, "*")


def test_nothing_new_costs_no_body(application: Application) -> None:
    application.connect(pollInterval=50, changeDetection="polling")
    first, *others = eventually(lambda: (seen := application.asked())[4:] and seen, "polling")
    assert first.status == 200
    assert [(each.status, each.body) for each in others] == [(304, b"")] * len(others)
    assert {each.requested["if-none-match"] for each in others} == {first.headers["etag"]}
    assert application.value("title") == "Welcome"


def test_polling_finds_a_change(application: Application) -> None:
    application.connect(pollInterval=50, changeDetection="polling")
    application.server.change(SetEnabled(flag="split", enabled=False))
    eventually(lambda: application.value("split") == "A", "the change")
    assert application.heard("PROVIDER_CONFIGURATION_CHANGED")[-1]["flagsChanged"] == ["split"]
    application.server.change(SetEnabled(flag="split", enabled=True))
    eventually(lambda: application.value("split") == "B", "the way back")


def test_a_context_that_changes_changes_the_answers(application: Application) -> None:
    """The client sends the tag of its last answer although the context is another: the tag must not fit."""
    application.connect(changeDetection="none")
    assert application.value("title") == "Welcome"
    application.become(targetingKey="u-1", email="ines@example.com")
    assert application.value("title") == "Grüezi 😀"
    application.become(targetingKey="u-2", email="nobody@example.org")
    assert application.value("title") == "Welcome"
    first, second, third = application.asked()
    assert second.requested["if-none-match"] == first.headers["etag"]
    assert [each.status for each in (first, second, third)] == [200, 200, 200]


def test_as_it_comes_the_client_starts_from_its_cache_where_the_server_is_away(application: Application) -> None:
    token = application.server.token()
    application.connect(token=token, cacheMode="local-cache-first")
    application.server.stop()
    try:
        application.page.reload()
        application.connect(token=token, cacheMode="local-cache-first")
        found = application.details("string", "title", "")
        assert (found["value"], found["reason"]) == ("Welcome", "CACHED")
    finally:
        application.server.start()
