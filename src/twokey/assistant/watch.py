"""Watching for cases that the analyst has looked at, and giving each one run.

Rules kept here:
- whether a case was seen to is asked of the server, so that a restart sees to none twice;
- a run that died without a word is tried once more, and then its silence is told;
- one case at a time, so many in an hour, none that is older than asked for; a server that is away is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from twokey.assistant.guard import Guard
from twokey.assistant.run import Failed, Outcome, run_case, tell_silence
from twokey.assistant.server import Server, ServerTrouble
from twokey.assistant.settings import Settings

SEEN_IN = ("triaged", "acting")
MOST_RUNS = 2
LONGEST_PAUSE = 60.0
HOUR = 3600.0
Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Watching:
    """How it is watched: seconds between two looks, cases in an hour, and how many hours back a case may lie."""

    every: float = 5.0
    most_an_hour: int = 20
    hours: float = 24.0


@dataclass
class Watch:
    """Looks for cases, until it is cancelled."""

    server: Server
    settings: Settings
    guard: Guard
    watching: Watching
    now: Callable[[], datetime]
    done: Callable[[Outcome], None]
    tell: Tell
    seen: set[str] = field(default_factory=set)
    begun: deque[float] = field(default_factory=deque)

    async def run(self) -> None:
        """Look, see to what is new, wait, and so on."""
        pause = self.watching.every
        while True:
            try:
                await self.look()
                pause = self.watching.every
            except ServerTrouble as trouble:
                if not trouble.passes:
                    raise
                pause = min(LONGEST_PAUSE, pause * 2)
                self.tell(f"{trouble}; trying again in {pause:.0f} s")
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """See to every case that nobody saw to. Raises ServerTrouble."""
        for case in await self._new():
            if not self._room():
                return
            await self._see_to(case)

    async def _new(self) -> Sequence[str]:
        """Ids of cases that may need a run, the oldest first."""
        oldest = self.now() - timedelta(hours=self.watching.hours)
        found: list[Mapping[str, Any]] = []
        for status in SEEN_IN:
            found += await self.server.get("cases", status=status, limit=100)
        fresh = [each for each in found if datetime.fromisoformat(each["opened_at"]) >= oldest]
        fresh.sort(key=lambda each: (each["opened_at"], each["id"]))
        return [each["id"] for each in fresh if each["id"] not in self.seen]

    async def _see_to(self, case: str) -> None:
        told = await self.server.get("cases", case, "findings", "mine")
        if told["findings"] or told["failures"]:
            self.seen.add(case)
            return
        try:
            if told["runs"] >= MOST_RUNS:
                self.done(await tell_silence(self.server, self.settings, self.guard, case, told["runs"]))
            else:
                self.begun.append(time.monotonic())
                self.done(await run_case(self.server, self.settings, self.guard, case))
        except ServerTrouble as trouble:
            if trouble.passes:
                raise
            # The case was closed meanwhile, or may not be told of: others are still waiting.
            self.done(Failed(case, "refused", str(trouble), on_record=False))
        self.seen.add(case)

    def _room(self) -> bool:
        """Whether another run may begin within this hour."""
        while self.begun and self.begun[0] <= time.monotonic() - HOUR:
            self.begun.popleft()
        return len(self.begun) < self.watching.most_an_hour
