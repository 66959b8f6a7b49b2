"""The one place where a provider's library is spoken to: one request, one reply, or one kind of trouble.

Rules kept here:
- nothing of the library leaves this module, and no try is made here again: the conversation counts them;
- a provider's words about an error stay here; what is told is the kind, the status, and a code that is a mere word;
- whatever goes wrong inside the library is trouble as well, never a crash of the run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import httpx2
from pydantic_ai import exceptions, messages
from pydantic_ai.direct import model_request
from pydantic_ai.models import Model as ProviderModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from twokey.assistant.answer import ANSWERS
from twokey.assistant.guard import Guard, Leak
from twokey.assistant.prompt import INSTRUCTIONS
from twokey.assistant.settings import NO_KEY, Settings
from twokey.assistant.tools import TOOLS
from twokey.assistant.wire import Elsewhere, TooLarge, wire

_CODE = re.compile(r"^[a-z][a-z0-9_.-]{0,40}\Z")
# They would write whole requests into a log where their own variables ask for it.
for _name in ("openai", "anthropic", "httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Kind(StrEnum):
    """What went wrong with a request."""

    BUSY = "busy"
    BROKEN = "broken"
    SILENT = "silent"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    REJECTED = "rejected"
    FILTERED = "filtered"
    LEAK = "leak"


PASSING = frozenset({Kind.BUSY, Kind.BROKEN, Kind.SILENT, Kind.UNREADABLE, Kind.TRUNCATED})
"""What may go away by itself."""


class Trouble(Exception):
    """A request brought no reply that can be used. The words are ours; `after` is how long the provider bade wait."""

    def __init__(self, kind: Kind, words: str, after: float | None = None) -> None:
        super().__init__(words)
        self.kind, self.after = kind, after


@dataclass(frozen=True)
class Call:
    """A tool that the model calls: one that reads, or one by which it answers."""

    id: str
    name: str
    given: str | dict[str, Any] | None

    @property
    def size(self) -> int:
        """Characters of what it gives."""
        return len(self.given if isinstance(self.given, str) else json.dumps(self.given, default=str))


@dataclass(frozen=True)
class Reply:
    """What came back. `said` is the provider's own message, which goes back to it unread."""

    calls: tuple[Call, ...]
    text: str
    finish: str
    model: str
    id: str
    input_tokens: int
    output_tokens: int
    said: messages.ModelResponse = field(repr=False)


@dataclass(frozen=True)
class Result:
    """What a call is answered with."""

    call: Call
    text: str


Turn = str | Reply | tuple[Result, ...]
"""The conversation is a row of these: what we say, what the model says, what its calls are answered with."""


class Asker:
    """Asks one model."""

    def __init__(self, settings: Settings, guard: Guard) -> None:
        self._settings, self._guard = settings, guard
        self._http = wire(settings, guard)
        self._model = _model(settings, self._http)
        self._parameters = ModelRequestParameters(
            function_tools=[_definition(each.name, each.says, each.schema) for each in TOOLS],
            output_tools=[
                _definition(name, shape.__doc__ or "", shape.model_json_schema(), output=True)
                for name, shape in ANSWERS.items()
            ],
            output_mode="tool",
            allow_text_output=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, turns: Sequence[Turn], seconds: float) -> Reply:
        """The model's reply to the conversation so far, within so many seconds. Raises Trouble."""
        try:
            async with asyncio.timeout(seconds):
                said = await model_request(
                    self._model,
                    _history(turns),
                    model_settings=self._wanted(seconds),
                    model_request_parameters=self._parameters,
                    instrument=False,
                )
        except TimeoutError:
            raise Trouble(Kind.SILENT, f"no answer within {seconds:.0f} s") from None
        except Exception as error:  # noqa: BLE001 - a foreign library at a foreign server: whatever it is, it is trouble
            raise self._trouble(error) from None
        return self._reply(said)

    def _wanted(self, seconds: float) -> ModelSettings:
        wanted = ModelSettings(max_tokens=self._settings.budget.reply_tokens, timeout=seconds)
        # Nothing of the evidence is to be kept at the provider, so far as it lets one say so.
        unkept = {"openai_store": False} if self._settings.provider == "openai-responses" else {}
        return cast(ModelSettings, {**wanted, **unkept})

    def _reply(self, said: messages.ModelResponse) -> Reply:
        calls = tuple(
            Call(part.tool_call_id, part.tool_name, cast(str | dict[str, Any] | None, part.args))
            for part in said.parts
            if isinstance(part, messages.ToolCallPart)
        )
        return Reply(
            calls=calls,
            text="".join(part.content for part in said.parts if isinstance(part, messages.TextPart)),
            finish=said.finish_reason or "",
            model=self._guard.scrub(said.model_name or "")[:200],
            id=self._guard.scrub(said.provider_response_id or "")[:200],
            input_tokens=_count(said.usage.input_tokens),
            output_tokens=_count(said.usage.output_tokens),
            said=said,
        )

    def _trouble(self, error: Exception) -> Trouble:
        for each in _chain(error):
            if isinstance(each, Leak):
                return Trouble(Kind.LEAK, str(each))
            if isinstance(each, TooLarge):
                return Trouble(Kind.UNREADABLE, str(each))
            if isinstance(each, Elsewhere):
                return Trouble(Kind.REJECTED, str(each))
        if isinstance(error, exceptions.ModelHTTPError):
            return self._refusal(error)
        return _other(error)

    def _refusal(self, error: exceptions.ModelHTTPError) -> Trouble:
        code = str(error.provider_error_code or error.provider_error_type or "")
        word = f" ({code})" if _CODE.match(code) and self._guard.scrub(code) == code else ""
        words = f"the provider answered with {error.status_code}{word}"
        if isinstance(error, exceptions.ModelQuotaExceededError):
            return Trouble(Kind.REJECTED, words)
        if error.status_code in (408, 409, 425, 429) or error.status_code >= 500:
            busy = error.status_code in (429, 503, 529)
            return Trouble(Kind.BUSY if busy else Kind.BROKEN, words, _seconds(error.retry_after))
        return Trouble(Kind.REJECTED, words)


def _other(error: Exception) -> Trouble:
    if isinstance(error, exceptions.ModelTimeoutError | exceptions.ModelRequestTimeout):
        return Trouble(Kind.SILENT, "the provider did not answer in time")
    if isinstance(error, exceptions.ModelConnectionError):
        return Trouble(Kind.BROKEN, "the provider cannot be reached, or broke off")
    if isinstance(error, exceptions.ContentFilterError):
        return Trouble(Kind.FILTERED, "the provider's filter refused the conversation")
    if isinstance(error, exceptions.OutputTokenLimitExceeded):
        return Trouble(Kind.TRUNCATED, "the answer was cut off")
    return Trouble(Kind.UNREADABLE, f"what the provider answered cannot be read ({type(error).__name__})")


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what brought it about: libraries wrap what our transport raises."""
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or following.__context__
    return found


def _seconds(after: float | None) -> float | None:
    return after if after is not None and math.isfinite(after) and after >= 0 else None


def _count(tokens: int) -> int:
    """What a provider says of tokens, which may be anything."""
    return min(max(0, int(tokens)), 10**12)


def _definition(name: str, says: str, schema: Mapping[str, Any], *, output: bool = False) -> ToolDefinition:
    return ToolDefinition(
        name=name, description=" ".join(says.split()), parameters_json_schema=dict(schema), strict=False,
        kind="output" if output else "function",
    )  # fmt: skip


def _history(turns: Sequence[Turn]) -> list[messages.ModelMessage]:
    return [_message(each) for each in turns]


def _message(turn: Turn) -> messages.ModelMessage:
    if isinstance(turn, Reply):
        return turn.said
    if isinstance(turn, str):
        return messages.ModelRequest([messages.UserPromptPart(turn)], instructions=INSTRUCTIONS)
    parts = [
        messages.ToolReturnPart(tool_name=each.call.name, content=each.text, tool_call_id=each.call.id)
        for each in turn
    ]  # fmt: skip
    return messages.ModelRequest(parts, instructions=INSTRUCTIONS)


def _model(settings: Settings, http: httpx2.AsyncClient) -> ProviderModel[Any]:
    """The library's model of this provider; only the one that is asked is imported."""
    if settings.provider == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        client = AsyncAnthropic(
            api_key=settings.key, base_url=settings.url, http_client=http, max_retries=0, open_telemetry=False
        )
        return AnthropicModel(settings.model, provider=AnthropicProvider(anthropic_client=client))
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    speaker = AsyncOpenAI(api_key=settings.key or NO_KEY, base_url=settings.url, http_client=http, max_retries=0)
    provider = OpenAIProvider(openai_client=speaker)
    if settings.provider == "openai-responses":
        return OpenAIResponsesModel(settings.model, provider=provider)
    return OpenAIChatModel(settings.model, provider=provider)
