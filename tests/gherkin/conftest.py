"""What the steps of OpenFeature's scenarios do."""

from __future__ import annotations

import asyncio
import copy
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.transaction_context import ContextVarsTransactionContextPropagator, NoOpTransactionContextPropagator
from pytest_bdd import given, parsers, then, when
from pytest_bdd.parser import Feature, Scenario

from tests.gherkin.suite import DOMAIN, Expected, Subject

TAGS = ("booleans", "strings", "numbers", "objects", "hooks", "transaction")
OWN_METADATA = (
    Expected("Flag metadata in evaluation details", "a flag of Twokey carries no free metadata"),
    Expected("Returns metadata", "a flag of Twokey carries no free metadata"),
    Expected("Returns no metadata", "every answer of Twokey tells its flag set, version, revision and unit"),
    Expected(
        "DISABLED reason", "a disabled flag serves its baseline, not the code's default, so that all clients agree"
    ),
)


def pytest_configure(config: pytest.Config) -> None:
    for tag in TAGS:
        config.addinivalue_line("markers", f"{tag}: a tag of OpenFeature's scenarios")


def pytest_bdd_apply_tag(tag: str, function: Callable[..., object]) -> bool:
    """The suite's tags select nothing here: every scenario runs."""
    return True


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
    subject: Subject = request.getfixturevalue("subject")
    row = request.getfixturevalue("_pytest_bdd_example")
    for each in subject.expected:
        if each.scenario == scenario.name and each.row.items() <= row.items():
            request.node.add_marker(pytest.mark.xfail(reason=each.reason, strict=True))


class Story:
    """What a scenario has said so far."""

    def __init__(self) -> None:
        self.kind, self.key, self.default = "", "", None
        self.attributes: dict[str, Any] = {}
        self.details: FlagEvaluationDetails[Any] | None = None
        self.hook = Spy()
        self.order: list[str] = []
        self.waits: list[str] = []
        self.given: dict[str, Any] = {}
        self.levels: list[str] = []

    @cached_property
    def client(self) -> OpenFeatureClient:
        return api.get_client(DOMAIN)

    def evaluate(self, *options: FlagEvaluationOptions) -> FlagEvaluationDetails[Any]:
        ask = getattr(self.client, f"get_{self.kind}_details")
        self.details = ask(self.key, self.default, EvaluationContext(attributes=self.attributes), *options)
        return self.found

    @property
    def found(self) -> FlagEvaluationDetails[Any]:
        assert self.details is not None
        return self.details


class Spy(Hook):
    """Remembers which stages ran, and with which details."""

    def __init__(self) -> None:
        self.calls: dict[str, FlagEvaluationDetails[Any] | None] = {}
        self.gives: dict[str, Any] = {}

    def before(self, hook_context: Any, hints: Any) -> EvaluationContext | None:
        self.calls["before"] = None
        return EvaluationContext(attributes=self.gives)

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls["after"] = details

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.calls["error"] = None

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls["finally"] = details


class Ordered(Hook):
    """Notes when it runs."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def before(self, hook_context: Any, hints: Any) -> None:
        self.order.append(f"{self.name} before")

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.order.append(f"{self.name} after")


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made
    api.clear_providers()
    api.clear_hooks()
    api.set_evaluation_context(EvaluationContext())
    api.set_transaction_context_propagator(NoOpTransactionContextPropagator())


def value(kind: str, text: str) -> Any:
    """A value as a scenario writes it."""
    text = text.replace('\\"', '"')
    if kind == "string":
        return text
    read = json.loads(text)
    return float(read) if kind == "float" else read


def same(kind: str, found: Any, text: str) -> bool:
    """Equal, and of the same type: neither `true` for 1 nor 1 for 1.0."""
    wanted = value(kind, text)
    return bool(found == wanted) and (kind == "object" or type(found) is type(wanted))


# ------------------------------------------------------------ providers


@given("a stable provider with retrievable context is registered")
def _(subject: Subject, stack: ExitStack) -> None:
    subject.bind("stable", stack)


@given(parsers.re("a (?P<status>stable|not ready|error|fatal|stale) provider"))
def _(subject: Subject, stack: ExitStack, status: str) -> None:
    subject.bind(status, stack)


@then(parsers.re(r'the provider status should be "(?P<status>\w+)"'))
def _(story: Story, status: str) -> None:
    assert story.client.get_provider_status().value == status


# ------------------------------------------------------------ evaluation_v2, hooks, metadata


@given(parsers.re(r'an? (?P<kind>\w+)-flag with key "(?P<key>[^"]*)" and a fallback value "(?P<default>.*)"'))
def _(story: Story, kind: str, key: str, default: str) -> None:
    story.kind, story.key = kind.lower(), key
    story.default = value(story.kind, default)


@given(
    parsers.re(r'a context containing a key "(?P<key>\w+)", with type "(?P<kind>\w+)" and with value "(?P<text>.*)"')
)
def _(story: Story, key: str, kind: str, text: str) -> None:
    story.attributes[key] = value(kind.lower(), text)


@given(parsers.re(r'a context containing a key "(?P<key>\w+)" with null value'))
def _(story: Story, key: str) -> None:
    story.attributes[key] = None


@given("a client with added hook")
def _(story: Story) -> None:
    story.client.add_hooks([story.hook])


@when("the flag was evaluated with details")
def _(story: Story) -> None:
    story.evaluate()


@then(parsers.re(r'the resolved details value should be "(?P<text>.*)"'))
def _(story: Story, text: str) -> None:
    assert same(story.kind, story.found.value, text), story.found


@then(parsers.re(r'the reason should be "(?P<reason>\w+)"'))
def _(story: Story, reason: str) -> None:
    assert story.found.reason == reason


@then(parsers.re(r'the error-code should be "(?P<code>\w+)"'))
def _(story: Story, code: str) -> None:
    assert story.found.error_code is not None
    assert story.found.error_code.value == code, story.found.error_message


@then(parsers.re(r'the flag key should be "(?P<key>[^"]*)"'))
def _(story: Story, key: str) -> None:
    assert story.found.flag_key == key


@then(parsers.re(r'the variant should be "(?P<variant>[^"]*)"'))
def _(story: Story, variant: str) -> None:
    assert story.found.variant == variant


@then("the resolved metadata should contain")
def _(story: Story, datatable: list[list[str]]) -> None:
    for key, kind, text in datatable[1:]:
        assert key in story.found.flag_metadata
        assert same(kind.lower(), story.found.flag_metadata[key], text)


@then("the resolved metadata is empty")
def _(story: Story) -> None:
    assert story.found.flag_metadata == {}


@then(parsers.re(r'the "(?P<stage>\w+)" hook should have been executed'))
def _(story: Story, stage: str) -> None:
    assert stage in story.hook.calls


@then(parsers.re(r'the "(?P<stages>[\w, ]+)" hooks should be called with evaluation details'))
def _(story: Story, stages: str, datatable: list[list[str]]) -> None:
    for stage in stages.split(", "):
        details = story.hook.calls[stage]
        for kind, name, text in datatable[1:]:
            found = getattr(details, name)
            found = getattr(found, "value", found) if name in ("reason", "error_code") else found
            assert found is None if text == "null" else same(kind, found, text), (stage, name, found)


@given("evaluation options containing specific hooks")
def _(story: Story) -> None:
    story.order.clear()


@when("the flag was evaluated with details using the evaluation options")
def _(story: Story) -> None:
    story.evaluate(FlagEvaluationOptions(hooks=[Ordered("first", story.order), Ordered("second", story.order)]))


@then("the specified hooks should execute during evaluation")
def _(story: Story) -> None:
    assert {each.split()[0] for each in story.order} == {"first", "second"}


@then("the hook order should be maintained")
def _(story: Story) -> None:
    assert story.order == ["first before", "second before", "second after", "first after"]


@given("an evaluation context with modifiable data")
def _(story: Story) -> None:
    story.attributes = {"email": "ballmer@none.com", "groups": ["a", {"b": 1}]}
    story.given = copy.deepcopy(story.attributes)


@then("the original evaluation context should remain unmodified")
def _(story: Story) -> None:
    assert story.attributes == story.given


@then("the evaluation details should be immutable")
def _(story: Story) -> None:
    """What the specification asks for (1.4.15.1) is that the metadata is."""
    with pytest.raises(TypeError):
        story.found.flag_metadata["more"] = True  # type: ignore[index]


@when("the flag was evaluated with details asynchronously")
def _(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = getattr(story.client, f"get_{story.kind}_details_async")
    with monkeypatch.context() as patched:
        _watch_sockets(patched, story.waits)
        story.details = asyncio.run(ask(story.key, story.default, EvaluationContext(attributes=story.attributes)))


@then("the evaluation should complete without blocking")
def _(story: Story) -> None:
    assert story.waits == [], "the event loop stood still while the network was waited for"


def _watch_sockets(patched: pytest.MonkeyPatch, waits: list[str]) -> None:
    """Note what this thread, which runs the event loop, waits for on a blocking socket."""
    here, receive = threading.get_ident(), socket.socket.recv_into

    def noting(self: socket.socket, *args: Any, **kwargs: Any) -> int:
        if threading.get_ident() == here and self.gettimeout() != 0:
            waits.append("recv_into")
        return receive(self, *args, **kwargs)

    patched.setattr(socket.socket, "recv_into", noting)


# ------------------------------------------------------------ contextMerging


@given(
    parsers.re(
        r'A context entry with key "(?P<key>[\w ]+)" and value "(?P<text>.*)" is added to the "(?P<level>.*)" level'
    )
)
def add_entry(story: Story, key: str, text: str, level: str) -> None:
    if level == "API":
        api.set_evaluation_context(EvaluationContext(attributes={key: text}))
    elif level == "Transaction":
        api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
        api.set_transaction_context(EvaluationContext(attributes={key: text}))
    elif level == "Client":
        story.client.context = EvaluationContext(attributes={key: text})
    elif level == "Invocation":
        story.attributes[key] = text
    else:
        assert level == "Before Hooks"
        story.hook.gives[key] = text
        story.client.add_hooks([story.hook])


@given("A table with levels of increasing precedence")
def _(story: Story, datatable: list[list[str]]) -> None:
    story.levels = [row[0] for row in datatable]


@given(
    parsers.re(
        r'Context entries for each level from API level down to the "(?P<last>.*)" level, '
        r'with key "(?P<key>\w+)" and value "(?P<text>.*)"'
    )
)
def _(story: Story, last: str, key: str, text: str) -> None:
    assert text == last
    for level in story.levels[: story.levels.index(last) + 1]:
        add_entry(story, key, level, level)


@when("Some flag was evaluated")
def _(story: Story) -> None:
    story.kind, story.key, story.default = "boolean", "boolean-flag", False
    assert story.evaluate().error_code is None


@then(parsers.re(r'The merged context contains an entry with key "(?P<key>[\w ]+)" and value "(?P<text>.*)"'))
def _(subject: Subject, key: str, text: str) -> None:
    assert subject.context()[key] == text


# ------------------------------------------------------------ the deprecated suite

FIELDS = r'contain fields "(\w+)", "(\w+)", and "(\w+)", with values "(.*)", "(.*)" and (\d+), respectively'


@when(
    parsers.re(
        r'an? (?:non-existent )?(?P<kind>\w+) flag with key "(?P<key>[^"]*)" is evaluated with '
        r"(?:details and )?(?:a )?(?:default|fallback|null default) value ?(?P<default>.*)"
    )
)
def _(story: Story, kind: str, key: str, default: str) -> None:
    story.kind, story.key = kind, key
    story.default = value(kind, default.strip('"')) if default else None
    story.evaluate()


@when(
    parsers.re(
        r'a string flag with key "(?P<key>[^"]*)" is evaluated as an integer, '
        r"with details and a fallback value (?P<default>\d+)"
    )
)
def _(story: Story, key: str, default: str) -> None:
    story.kind, story.key, story.default = "integer", key, int(default)
    story.evaluate()


@when(
    parsers.re(
        r'context contains keys "(?P<a>\w+)", "(?P<b>\w+)", "(?P<c>\w+)", "(?P<d>\w+)" '
        r'with values "(?P<v>.*)", "(?P<w>.*)", (?P<x>\d+), "(?P<y>\w+)"'
    )
)
def _(story: Story, a: str, b: str, c: str, d: str, v: str, w: str, x: str, y: str) -> None:
    story.attributes = {a: v, b: w, c: int(x), d: json.loads(y)}


@when(parsers.re(r'a flag with key "(?P<key>[^"]*)" is evaluated with default value "(?P<default>.*)"'))
def _(story: Story, key: str, default: str) -> None:
    story.kind, story.key, story.default = "string", key, default
    story.evaluate()


@then(parsers.re(r'the resolved (?P<kind>\w+) (?:value|response) should be "?(?P<text>[^"]*)"?'))
def _(story: Story, kind: str, text: str) -> None:
    assert same(story.kind, story.found.value, text)


@then(
    parsers.re(
        r'the resolved (?P<kind>\w+) details value should be "?(?P<text>[^",]*)"?, '
        r'the variant should be "(?P<variant>\w+)", and the reason should be "(?P<reason>\w+)"'
    )
)
def _(story: Story, kind: str, text: str, variant: str, reason: str) -> None:
    assert same(kind, story.found.value, text)
    assert (story.found.variant, story.found.reason) == (variant, reason)


@then(parsers.re(rf"the resolved object (?:details )?value should be (?P<told>{FIELDS.replace('(', '(?:')})"))
def _(story: Story, told: str) -> None:
    found = re.fullmatch(FIELDS, told)
    assert found is not None
    first, second, third, *texts = found.groups()
    wanted = {first: json.loads(texts[0]), second: texts[1], third: int(texts[2])}
    assert story.found.value == wanted


@then(parsers.re(r'the variant should be "(?P<variant>\w+)", and the reason should be "(?P<reason>\w+)"'))
def _(story: Story, variant: str, reason: str) -> None:
    assert (story.found.variant, story.found.reason) == (variant, reason)


@then(parsers.re(r'the resolved flag value is "(?P<text>.*)" when the context is empty'))
def _(story: Story, text: str) -> None:
    story.attributes = {}
    assert story.evaluate().value == text


@then(parsers.re(r"the default (?P<kind>\w+) value should be returned"))
def _(story: Story, kind: str) -> None:
    assert (story.kind, story.found.value) == (kind, story.default)


@then(parsers.re(r'the reason should indicate an error and the error code should indicate .* with "(?P<code>\w+)"'))
def _(story: Story, code: str) -> None:
    assert story.found.reason == "ERROR"
    assert story.found.error_code is not None
    assert story.found.error_code.value == code
