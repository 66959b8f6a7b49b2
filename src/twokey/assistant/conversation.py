"""The conversation of one run: ask, let the model read, and take its one answer, within the budget.

Rules kept here:
- every request, token, second and try is counted, whatever the provider says it took;
- one answer, alone: two, one beside further questions, or free text is refused and not asked for again;
- an answer that does not fit, and trouble that may pass, is tried again so often and no oftener;
- what the run ends with is a value: it never raises.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from twokey.assistant.answer import ANSWERS, Unfit, read_answer
from twokey.assistant.model import PASSING, Call, Kind, Reply, Result, Trouble, Turn
from twokey.assistant.prompt import ASKED, INSTRUCTIONS
from twokey.assistant.settings import Budget
from twokey.assistant.spans import Spans, answered, failed
from twokey.assistant.tools import BY_NAME, Desk

Why = Literal["timed_out", "over_budget", "provider", "malformed", "two_answers", "refused"]
MOST_AT_ONCE = 16
"""Calls of one reply."""
LONGEST_PAUSE = 20.0
CHARACTERS_A_TOKEN = 4
"""Where a provider does not say what it took, that is estimated, so that silence is no way around the budget."""
_WHY: dict[Kind, Why] = {
    Kind.BUSY: "provider",
    Kind.BROKEN: "provider",
    Kind.REJECTED: "provider",
    Kind.SILENT: "timed_out",
    Kind.UNREADABLE: "malformed",
    Kind.TRUNCATED: "malformed",
    Kind.FILTERED: "refused",
    Kind.LEAK: "refused",
}


@dataclass(frozen=True)
class Accepted:
    """The server kept the finding; what it told of it."""

    told: dict[str, Any]


@dataclass(frozen=True)
class Rejected:
    """The server refused it: `words` say why. `final`: saying it otherwise would not help."""

    words: str
    final: bool


@dataclass(frozen=True)
class Nothing:
    """The run has no finding."""

    why: Why
    summary: str


Ending = Accepted | Nothing
Submit = Callable[[dict[str, Any]], Awaitable[Accepted | Rejected]]


class Asks(Protocol):
    """Whoever can be asked."""

    async def ask(self, turns: list[Turn], seconds: float) -> Reply:
        """The reply. Raises Trouble."""

    async def close(self) -> None:
        """Close the connections."""


class _Over(Exception):
    """The run ends here, without a finding."""

    def __init__(self, why: Why, summary: str) -> None:
        super().__init__(summary)
        self.nothing = Nothing(why, summary)


@dataclass
class Conversation:
    """One run: what was said, and what it took so far."""

    asker: Asks
    desk: Desk
    budget: Budget
    spans: Spans
    turns: list[Turn]
    began: float = field(default_factory=time.monotonic)
    requests: int = 0
    tries: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    answer: str | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self.began

    @property
    def prompt(self) -> dict[str, Any]:
        """All that was told to the model: instructions, tools, and each turn in order."""
        return {**ASKED, "turns": [_told(each) for each in self.turns]}

    async def run(self, submit: Submit) -> Ending:
        """Go on until there is an answer, or no more of the budget."""
        try:
            while True:
                reply = await self._reply()
                answer = self._answer_in(reply)
                if answer is None:
                    self.turns += [reply, await self._read(reply)]
                    continue
                ended = await self._submitted(reply, answer, submit)
                if ended is not None:
                    return ended
        except _Over as over:
            return over.nothing
        except Exception as error:  # noqa: BLE001 - a fault of ours as well is told on the case, and ends nothing else
            return Nothing("malformed", f"something unexpected went wrong ({type(error).__name__})")

    # ------------------------------------------------------------- asking

    async def _reply(self) -> Reply:
        """The next reply that can be used. Raises _Over."""
        while True:
            seconds = self._room()
            self.requests += 1
            try:
                with self.spans.chat() as span:
                    self.spans.said(span, {"gen_ai.input.messages": _shown(self.turns)})
                    reply = await self._asked(seconds)
                    answered(span, vars(reply))
                    self.spans.said(span, {"gen_ai.output.messages": _shown([reply])})
                    self._check_finish(reply)
            except Trouble as trouble:
                await self._again(trouble)
            else:
                return reply

    async def _asked(self, seconds: float) -> Reply:
        size = self._size()
        try:
            reply = await self.asker.ask(self.turns, seconds)
        except Trouble:
            # Nobody says what a request took that brought nothing.
            self.input_tokens += size // CHARACTERS_A_TOKEN
            raise
        said = len(reply.text) + sum(each.size for each in reply.calls)
        self.input_tokens += reply.input_tokens or size // CHARACTERS_A_TOKEN
        self.output_tokens += reply.output_tokens or said // CHARACTERS_A_TOKEN
        return reply

    def _check_finish(self, reply: Reply) -> None:
        if reply.finish == "length":
            raise Trouble(Kind.TRUNCATED, "the answer was cut off")
        if reply.finish == "content_filter":
            raise Trouble(Kind.FILTERED, "the provider's filter refused the conversation")
        if not reply.calls and not reply.text.strip():
            raise Trouble(Kind.UNREADABLE, "the provider's answer is empty")

    def _room(self) -> float:
        """Seconds for the next request. Raises _Over where the budget is used up."""
        budget, left = self.budget, self.budget.seconds - self.seconds
        if left <= 0:
            raise _Over("timed_out", f"no finding within {budget.seconds:.0f} s")
        for used, most, what in (
            (self.requests, budget.requests, "requests"),
            (self.input_tokens, budget.input_tokens, "tokens read"),
            (self.output_tokens, budget.output_tokens, "tokens written"),
        ):
            if used >= most:
                raise _Over("over_budget", f"no finding within {most:,} {what}")
        if self._size() > budget.request_characters:
            raise _Over("over_budget", f"the prompt would be longer than {budget.request_characters:,} characters")
        return min(left, budget.request_seconds)

    def _size(self) -> int:
        """Characters of the next prompt."""
        return len(INSTRUCTIONS) + sum(_length(each) for each in self.turns)

    async def _again(self, trouble: Trouble) -> None:
        """Wait until it may be tried again. Raises _Over where it may not."""
        why = _WHY[trouble.kind]
        if self.seconds >= self.budget.seconds:
            raise _Over("timed_out", f"no finding within {self.budget.seconds:.0f} s")
        if trouble.kind not in PASSING:
            raise _Over(why, str(trouble))
        self._count_try(why, str(trouble))
        pause = min(LONGEST_PAUSE, self.budget.pause * 2.0 ** (self.tries - 1))
        pause = trouble.after if trouble.after is not None else pause
        left = self.budget.seconds - self.seconds
        if pause >= left:
            raise _Over(why, f"{trouble}; to wait {pause:.0f} s is more than the {left:.0f} s that are left")
        await asyncio.sleep(pause)

    def _count_try(self, why: Why, words: str) -> None:
        self.tries += 1
        if self.tries > self.budget.retries:
            raise _Over(why, f"{words}; tried {self.tries} times")

    # ------------------------------------------------------------- reading

    async def _read(self, reply: Reply) -> tuple[Result, ...]:
        """The results of what the model called. Raises _Over."""
        if len(reply.calls) > MOST_AT_ONCE:
            raise _Over("over_budget", f"more than {MOST_AT_ONCE} tools were called at once")
        self.calls += len(reply.calls)
        if self.calls > self.budget.tool_calls:
            raise _Over("over_budget", f"no finding within {self.budget.tool_calls} calls of tools")
        return tuple([await self._result(each) for each in reply.calls])

    async def _result(self, call: Call) -> Result:
        name = call.name if call.name in BY_NAME else "unknown"
        with self.spans.tool(name, self.desk.scrub(call.id)[:100]) as span:
            text = await self.desk.call(call.name, _arguments(call))
            if '"error":' in text[:80]:
                failed(span, "refused")
            self.spans.said(span, {"gen_ai.tool.call.arguments": _text(call.given), "gen_ai.tool.call.result": text})
        return Result(call, text)

    # ------------------------------------------------------------- answering

    def _answer_in(self, reply: Reply) -> Call | None:
        """The call by which the model answers, if it does. Raises _Over for what may not be."""
        answers = [each for each in reply.calls if each.name in ANSWERS]
        if len(answers) > 1:
            raise _Over("two_answers", f"the model gave {len(answers)} answers at once")
        if answers and len(reply.calls) > 1:
            raise _Over("two_answers", "the model answered and asked at once")
        if not reply.calls:
            raise _Over("malformed", "the model answered in free text")
        return answers[0] if answers else None

    async def _submitted(self, reply: Reply, call: Call, submit: Submit) -> Ending | None:
        """What came of the answer; None where the model may say it again. Raises _Over."""
        self.answer = _whole(_text(call.given))
        try:
            outcome = await submit(read_answer(call.name, call.given))
        except Unfit as unfit:
            outcome = Rejected(f"the answer does not fit: {unfit}", final=False)
        if isinstance(outcome, Accepted):
            return outcome
        if outcome.final:
            return Nothing("refused", outcome.words)
        self._count_try("malformed", outcome.words)
        self.turns += [reply, (Result(call, self.desk.told(call.name, None, outcome.words)),)]
        return None


def _arguments(call: Call) -> dict[str, Any]:
    """What a tool is given; what is no object names a field that no tool takes."""
    if isinstance(call.given, dict):
        return call.given
    try:
        given = json.loads(call.given or "{}")
    except (ValueError, RecursionError):
        given = None
    return given if isinstance(given, dict) else {"(no object)": ""}


def _text(given: str | dict[str, Any] | None) -> str:
    return given if isinstance(given, str) else json.dumps(given, sort_keys=True, default=str)


def _length(turn: Turn) -> int:
    if isinstance(turn, str):
        return len(turn)
    if isinstance(turn, Reply):
        return len(turn.text) + sum(each.size for each in turn.calls)
    return sum(len(each.text) for each in turn)


def _told(turn: Turn) -> Any:
    """A turn as its digest is taken: who said it, and what."""
    if isinstance(turn, str):
        return {"we": turn}
    if isinstance(turn, Reply):
        calls = [[_whole(each.name), _whole(_text(each.given))] for each in turn.calls]
        return {"model": _whole(turn.text), "calls": calls}
    return {"results": [[_whole(each.call.name), each.text] for each in turn]}


def _whole(text: str) -> str:
    """The text, halves of characters written out: a digest is over text that can be stored."""
    return text.encode("utf-8", "backslashreplace").decode()


def _shown(turns: list[Turn]) -> str:
    return json.dumps([_told(each) for each in turns], ensure_ascii=True)
