"""One case, from reading it to what is said of it: a finding, or why there is none.

Rules kept here:
- the server hears of the run before a model does, so that a run that dies is counted;
- whatever ends a run, it is told on the case with its reason; the case itself goes on in any event;
- what is told of the model is what this process knows: the digests are taken here, of what was sent and received.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twokey.assistant.conversation import Accepted, Conversation, Nothing, Rejected, Why
from twokey.assistant.guard import Guard, Leak
from twokey.assistant.keeping import keep
from twokey.assistant.model import Asker
from twokey.assistant.prompt import opening
from twokey.assistant.server import Server, ServerTrouble
from twokey.assistant.settings import Settings
from twokey.assistant.spans import Spans, failed
from twokey.assistant.tools import Desk
from twokey.engine.canonical import digest, digest_of_bytes


@dataclass(frozen=True)
class Found:
    """A finding stands on the case; `told` is what the server said of it."""

    case: str
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """There is no finding, and why. `on_record` unless the server would not hear even that."""

    case: str
    why: Why
    summary: str
    on_record: bool


Outcome = Found | Failed


async def run_case(server: Server, settings: Settings, guard: Guard, id: str) -> Outcome:
    """Look at this case once. Raises ServerTrouble where the case cannot be read, or a run may not begin."""
    case = await server.get("cases", id)
    about = {"provider": settings.spoken, "model": settings.model}
    await server.post("cases", id, "findings", "runs", body=about)
    spans, desk = Spans(settings, id), Desk(server, case, guard, settings.budget.result_characters)
    talk = Conversation(Asker(settings, guard), desk, settings.budget, spans, [opening(case, guard)])
    try:
        with spans.run() as span:
            ended = await talk.run(_Submitting(server, id, talk, about, guard))
            if isinstance(ended, Nothing):
                failed(span, ended.why)
    finally:
        await talk.asker.close()
    made_by = provenance(talk, about)
    if settings.keep is not None:
        keep(settings.keep, id, {"prompt": talk.prompt, "answer": talk.answer, "provenance": made_by}, guard)
    if isinstance(ended, Accepted):
        return Found(id, ended.told)
    return await _tell_failure(server, id, ended, made_by, guard)


def provenance(talk: Conversation, about: Mapping[str, str]) -> dict[str, Any]:
    """What is on record of how an answer came about."""
    return {
        **about,
        "prompt": digest(talk.prompt),
        "answer": "" if talk.answer is None else digest_of_bytes(talk.answer.encode()),
        "requests": talk.requests,
        "input_tokens": talk.input_tokens,
        "output_tokens": talk.output_tokens,
        "seconds": round(talk.seconds, 3),
    }


TRIES, PAUSE = 3, 1.0


async def _insist(server: Server, *path: str, body: Mapping[str, Any]) -> Any:
    """Say it again where the server may hear it later. Raises ServerTrouble."""
    for left in reversed(range(TRIES)):
        try:
            return await server.post(*path, body=body)
        except ServerTrouble as trouble:
            if not (trouble.passes and left):
                raise
        await asyncio.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


class _Submitting:
    """Hands an answer to the server, unless a secret of this process stands in it: a provider knows its own key."""

    def __init__(self, server: Server, case: str, talk: Conversation, about: Mapping[str, str], guard: Guard) -> None:
        self._server, self._case, self._talk, self._about, self._guard = server, case, talk, about, guard

    async def __call__(self, answer: dict[str, Any]) -> Accepted | Rejected:
        body = {**answer, "provenance": provenance(self._talk, self._about)}
        try:
            self._guard.check(json.dumps(answer, ensure_ascii=False, default=str).encode("utf-8", "replace"))
            return Accepted(await _insist(self._server, "cases", self._case, "findings", body=body))
        except Leak:
            return Rejected("a secret of this process stands in the answer; it was not passed on", final=True)
        except ServerTrouble as trouble:
            # Only what is wrong with the answer itself can be said better.
            return Rejected(f"the server refused it: {trouble}", final=trouble.status != 422)


async def tell_silence(server: Server, settings: Settings, guard: Guard, id: str, runs: int) -> Failed:
    """Say that runs began on the case and none came to an end: they died, and are not tried for ever."""
    nothing = Nothing("timed_out", f"{runs} runs began and ended without a word")
    made_by = {"provider": settings.spoken, "model": settings.model, "prompt": digest("")}
    return await _tell_failure(server, id, nothing, made_by, guard)


async def _tell_failure(
    server: Server, id: str, ended: Nothing, made_by: Mapping[str, Any], guard: Guard
) -> Failed:  # fmt: skip
    summary = guard.scrub(ended.summary)[:400]
    body = {"why": ended.why, "summary": summary, "provenance": made_by}
    try:
        await _insist(server, "cases", id, "findings", "failures", body=body)
    except ServerTrouble:
        return Failed(id, ended.why, summary, on_record=False)
    return Failed(id, ended.why, summary, on_record=True)
