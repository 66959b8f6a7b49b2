"""The OpenFeature provider: what applications see of values, errors, metadata, status and events."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus

from tests.client.hostile import hostile
from tests.client.live import Live, eventually
from tests.client.test_hostile_servers import GOOD, begin, said
from tests.engine.conformance import Case, cases
from tests.support.world import FLAG
from twokey.client import File, Stream, TwokeyProvider
from twokey.domain.operation import SetEnabled

CASES = list(cases())
STAFF = EvaluationContext("u-1", {"email": "ada@example.com", "conversation": "c-1"})
KINDS: dict[str, tuple[str, Any]] = {
    "boolean": ("boolean", False),
    "string": ("string", "default"),
    "integer": ("integer", -1),
    "number": ("float", -1.5),
    "object": ("object", {"default": True}),
}


def written(folder: Path, document: dict[str, Any]) -> File:
    path = folder / "flags.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return File(path=path, every=0.02)


def flag(key: str, type: str, value: Any) -> dict[str, Any]:
    variations = [{"key": "only", "value": value}]
    otherwise = {"variation": "only"}
    shape = {"key": key, "type": type, "enabled": True, "variations": variations, "baseline": "only"}
    return {**shape, "otherwise": otherwise}


def document(*flags: dict[str, Any], revision: int = 1) -> dict[str, Any]:
    head = {"format": "twokey/1", "project": "shop", "environment": "test", "revision": revision}
    return {**head, "flags": list(flags)}


@contextmanager
def provided(provider: TwokeyProvider, domain: str = "twokey") -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(provider, domain)
    try:
        yield api.get_client(domain)
    finally:
        provider.shutdown()


TYPES = document(
    flag("boolean", "boolean", True),
    flag("string", "string", "text"),
    flag("integer", "integer", 7),
    flag("number", "number", 7),
    flag("object", "object", {"a": [1, {"b": None}]}),
)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("key", "asked", "value"),
    [
        ("boolean", "boolean", True),
        ("string", "string", "text"),
        ("integer", "integer", 7),
        ("integer", "float", 7.0),
        ("number", "float", 7.0),
        ("object", "object", {"a": [1, {"b": None}]}),
    ],
)
def test_each_type_has_its_value(tmp_path: Path, key: str, asked: str, value: Any, asynchronous: bool) -> None:
    with provided(TwokeyProvider(written(tmp_path, TYPES))) as flags:
        details = _ask(flags, key, asked, asynchronous)
    assert (details.value, type(details.value) in (type(value), dict) or isinstance(details.value, dict)) == (
        value,
        True,
    )
    assert (details.variant, details.reason, details.error_code) == ("only", Reason.STATIC, None)
    assert isinstance(details.reason, Reason)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("asked", ["boolean", "string", "integer", "float", "object"])
def test_another_type_than_the_flags_is_a_mismatch(tmp_path: Path, asked: str, asynchronous: bool) -> None:
    fitting = {"integer": {"integer", "float"}, "number": {"float"}}
    with provided(TwokeyProvider(written(tmp_path, TYPES))) as flags:
        for key in KINDS:
            if asked in fitting.get(key, {key}):
                continue
            details = _ask(flags, key, asked, asynchronous)
            default = next(default for kind, default in KINDS.values() if kind == asked)
            assert (details.value, details.error_code) == (default, ErrorCode.TYPE_MISMATCH), key
            assert details.reason == Reason.ERROR


def _ask(flags: OpenFeatureClient, key: str, asked: str, asynchronous: bool, context: Any = STAFF) -> Any:
    default = next(default for kind, default in KINDS.values() if kind == asked)
    if asynchronous:
        return asyncio.run(getattr(flags, f"get_{asked}_details_async")(key, default, context))
    return getattr(flags, f"get_{asked}_details")(key, default, context)


def test_what_goes_wrong_has_openfeatures_code_and_the_applications_default(tmp_path: Path) -> None:
    with provided(TwokeyProvider(written(tmp_path, TYPES))) as flags:
        missing = flags.get_string_details("nobody", "mine", STAFF)
        assert (missing.value, missing.error_code) == ("mine", ErrorCode.FLAG_NOT_FOUND)
        assert "nobody" in str(missing.error_message)
    unfit = TwokeyProvider(written(tmp_path, TYPES))
    unfit.client.start()
    found = unfit.resolve_string_details("string", "mine", EvaluationContext("u", ["no", "mapping"]))  # type: ignore[arg-type]
    assert (found.value, found.error_code) == ("mine", ErrorCode.INVALID_CONTEXT)
    unfit.shutdown()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_provider_answers_the_conformance_case(case: Case, conforming: Callable[[Case], TwokeyProvider]) -> None:
    provider = conforming(case)
    kind, default = _kind(case)
    found = getattr(provider, f"resolve_{kind}_details")(case.flag, default, _given(case.context))
    expect = {"rule": None, "metadata": {}, "error": None, **case.expect}
    if expect["error"] is not None:
        assert (found.value, found.error_code, found.reason) == (default, expect["error"], "ERROR"), case.says
        return
    assert (found.value, found.variant, found.reason) == (expect["value"], expect["variation"], expect["reason"]), (
        case.says
    )
    assert found.flag_metadata.get("rule") == expect["rule"]
    assert expect["metadata"].items() <= found.flag_metadata.items()


def _kind(case: Case) -> tuple[str, Any]:
    types = {flag["key"]: flag["type"] for flag in case.snapshot["flags"]}
    return KINDS[types.get(case.flag, "string")]


def _given(context: Any) -> EvaluationContext:
    """As an application would say it: the targeting key in its own field where it is text."""
    if not isinstance(context, dict) or not isinstance(context.get("targetingKey"), str):
        return EvaluationContext(attributes=context)
    rest = {name: value for name, value in context.items() if name != "targetingKey"}
    return EvaluationContext(context["targetingKey"], rest)


@pytest.fixture(scope="module")
def conforming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Case], TwokeyProvider]]:
    made: dict[str, TwokeyProvider] = {}

    def provider(case: Case) -> TwokeyProvider:
        name = case.id.split("/")[0]
        if name not in made:
            source = written(tmp_path_factory.mktemp(name), case.snapshot)
            made[name] = TwokeyProvider(source, reporting=None)
            made[name].client.start()
        return made[name]

    yield provider
    for each in made.values():
        each.shutdown()


def test_metadata_is_that_of_ofrep(live: Live) -> None:
    with provided(TwokeyProvider(live.stream())) as flags:
        details = flags.get_string_details(FLAG, "baseline", STAFF)
    assert (details.value, details.variant, details.reason) == ("reranker_v2", "reranker_v2", Reason.TARGETING_MATCH)
    assert details.flag_metadata == {
        "flagSetId": "support/production",
        "version": "1",
        "revision": 1,
        "unit": "conversation",
        "rule": "internal",
        "contextId": "u-1",
    }


def test_no_caller_changes_the_metadata_that_another_gets(tmp_path: Path) -> None:
    with provided(TwokeyProvider(written(tmp_path, TYPES))) as flags:
        first = flags.get_string_details("string", "", STAFF)
        with pytest.raises(TypeError):
            first.flag_metadata["tampered"] = True  # type: ignore[index]
        assert flags.get_string_details("string", "", STAFF).flag_metadata == first.flag_metadata


class Heard:
    """The events that OpenFeature told, in order."""

    def __init__(self, flags: OpenFeatureClient) -> None:
        self.events: list[tuple[ProviderEvent, EventDetails]] = []
        self._lock = threading.Lock()
        for event in ProviderEvent:
            flags.add_handler(event, self._handler(event))

    def _handler(self, event: ProviderEvent) -> Callable[[EventDetails], None]:
        def handler(details: EventDetails) -> None:
            with self._lock:
                self.events.append((event, details))

        return handler

    def first(self, event: ProviderEvent) -> EventDetails:
        return eventually(lambda: next((d for e, d in self.events if e is event), None), f"{event}")


def test_openfeature_hears_of_changes_absence_and_return(live: Live) -> None:
    with provided(TwokeyProvider(live.stream())) as flags:
        heard = Heard(flags)
        assert heard.first(ProviderEvent.PROVIDER_READY).provider_name == "twokey"
        live.change(SetEnabled(flag=FLAG, enabled=False))
        assert heard.first(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED).flags_changed == [FLAG]
        assert flags.get_string_details(FLAG, "x", STAFF).reason == Reason.DISABLED
        live.stop()
        assert "Unreachable" in str(heard.first(ProviderEvent.PROVIDER_STALE).message)
        assert flags.get_provider_status() is ProviderStatus.STALE
        assert flags.get_string_value(FLAG, "x", STAFF) == "baseline"
        live.start()
        eventually(lambda: flags.get_provider_status() is ProviderStatus.READY, "the return")


def test_from_the_disk_alone_openfeature_says_stale_after_it_said_ready(live: Live, tmp_path: Path) -> None:
    source = live.stream()
    with provided(TwokeyProvider(source, cache=tmp_path / "flags.json")):
        pass
    live.stop()
    with provided(TwokeyProvider(source, cache=tmp_path / "flags.json"), "fresh") as flags:
        eventually(lambda: flags.get_provider_status() is ProviderStatus.STALE, "STALE")
        assert flags.get_string_value(FLAG, "x", STAFF) == "reranker_v2"
        live.start()
        eventually(lambda: flags.get_provider_status() is ProviderStatus.READY, "the return")


def test_a_server_that_never_answers_costs_the_start_its_patience_and_no_more(tmp_path: Path) -> None:
    cache = tmp_path / "flags.json"
    cache.write_bytes(GOOD.to_json())
    with hostile(lambda visitor: visitor.linger()) as server:
        provider = TwokeyProvider(Stream(url=server.url, token="t"), cache=cache, patience=0.1, reporting=None)
        with provided(provider) as flags:
            eventually(lambda: flags.get_provider_status() is ProviderStatus.STALE, "STALE")
            assert flags.get_string_value(FLAG, "x", STAFF) == "reranker_v2"


def test_without_any_flags_initialising_fails_and_says_why_and_it_recovers(live: Live) -> None:
    live.stop()
    provider = TwokeyProvider(live.stream(), patience=0.2)
    with pytest.raises(ProviderNotReadyError) as failure:
        api.set_provider_and_wait(provider, "lonely")
    assert "Unreachable" in str(failure.value.error_message)
    flags = api.get_client("lonely")
    assert flags.get_provider_status() is ProviderStatus.ERROR
    details = flags.get_string_details(FLAG, "mine", STAFF)
    assert (details.value, details.error_code) == ("mine", ErrorCode.PROVIDER_NOT_READY)
    live.start()
    eventually(lambda: flags.get_provider_status() is ProviderStatus.READY, "the start")
    assert flags.get_string_value(FLAG, "mine", STAFF) == "reranker_v2"


def test_a_refused_token_is_an_error_while_the_last_good_one_serves(tmp_path: Path) -> None:
    cache = tmp_path / "flags.json"
    cache.write_bytes(GOOD.to_json())
    no = b'{"detail": "this token is not known"}'
    refusal = b"HTTP/1.1 401 No\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n" % len(no) + no
    with hostile(said(refusal), said(refusal), said(refusal), begin(GOOD)) as server:
        provider = TwokeyProvider(Stream(url=server.url, token="t"), cache=cache, reporting=None)
        api.set_provider_and_wait(provider, "refused")
        flags = api.get_client("refused")
        heard = Heard(flags)
        assert "the server refuses the token (401): this token is not known" in str(
            heard.first(ProviderEvent.PROVIDER_ERROR).message or provider.client.trouble
        )
        assert flags.get_string_value(FLAG, "x", STAFF) == "reranker_v2"
        eventually(lambda: flags.get_provider_status() is ProviderStatus.READY, "the recovery")
        provider.shutdown()


def test_a_file_is_read_again_when_it_changes_and_kept_when_it_is_broken(tmp_path: Path) -> None:
    source = written(tmp_path, document(flag("greeting", "string", "hello"), revision=5))
    with provided(TwokeyProvider(source)) as flags:
        heard = Heard(flags)
        source.path.write_text("{ half an edi", encoding="utf-8")
        assert "UnsoundSnapshot" in str(heard.first(ProviderEvent.PROVIDER_ERROR).message)
        assert flags.get_string_value("greeting", "") == "hello"
        written(tmp_path, document(flag("greeting", "string", "good day"), revision=4))
        eventually(lambda: flags.get_string_value("greeting", "") == "good day", "the edit")
        assert heard.first(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED).flags_changed == ["greeting"]
        source.path.unlink()
        assert "Unreadable" in str(heard.first(ProviderEvent.PROVIDER_STALE).message)
        assert flags.get_string_value("greeting", "") == "good day"


def test_a_replaced_provider_is_shut_down_and_can_come_back(tmp_path: Path) -> None:
    first = TwokeyProvider(written(tmp_path, TYPES))
    api.set_provider_and_wait(first, "swap")
    api.set_provider_and_wait(TwokeyProvider(written(tmp_path, TYPES)), "swap")
    eventually(lambda: first.client.status == "closed", "the end of the first")
    api.set_provider_and_wait(first, "again")
    assert api.get_client("again").get_boolean_value("boolean", False) is True
