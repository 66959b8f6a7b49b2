"""How long the written policy takes to answer: `python -m benchmarks.gate`.

Rules kept here:
- every figure is one `rule()` as the gate calls it: the question made into Cedar's terms, entities checked against the
  schema, all policies asked, the answer read; only the policies and the schema are read beforehand;
- three questions (one is applied, one is read by an assistant, one is refused), with the shipped policies alone and
  with a hundred of a team beside them;
- quantiles over single calls, each timed by itself; nothing is left out.

Options: `--calls N` (20,000), `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks.report import machine, write_section
from twokey.adapters.cedar import CedarGatekeeper, gatekeeper
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.matrix import draw
from twokey.domain.permission import Question, Verb

PERSON = Actor(id="ines", kind=ActorKind.PERSON, roles=frozenset({"release_manager", "support_owner@shop"}))
AGENT = Actor(id="token-1", kind=ActorKind.AGENT, on_behalf_of="ines", project="shop", environment="production")
HUNDRED = "".join(
    f'@id("team-{index}") forbid (principal, action == Action::"apply", resource == Environment::"shop/e{index}")\n'
    f'when {{ context.change == "kill" && context.surfaces.contains("tool") }};\n'
    for index in range(100)
)
TARGET_MS = 1.0


def asked(actor: Actor, verb: Verb, change: str = "", filled: int = 0) -> Question:
    """A question about the shop's production."""
    return Question(
        actor=actor,
        verb=verb,
        project="shop",
        environment="production",
        change=change,
        effect="narrows" if change else "",
        action="reduce_rollout" if change else "",
        surfaces=frozenset({"retrieval"}),
        needed=2 if change else 0,
        filled=filled,
    )


QUESTIONS = (
    ("a person applies with every key", asked(PERSON, Verb.APPLY, "reduce", 2), True),
    ("a person applies, a key is missing", asked(PERSON, Verb.APPLY, "reduce", 1), False),
    ("an assistant reads", asked(AGENT, Verb.READ), True),
)


def timed(keeper: CedarGatekeeper, question: Question, calls: int, allowed: bool) -> list[float]:
    """Milliseconds of each call, the shortest first. Raises ValueError for an answer that is not the expected one."""
    for _ in range(200):
        if keeper.rule(question).allowed is not allowed:
            raise ValueError(f"an unexpected answer: {keeper.rule(question)}")
    found = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        keeper.rule(question)
        found.append((time.perf_counter_ns() - start) / 1e6)
    return sorted(found)


def rows(calls: int) -> Iterator[tuple[str, int, float, float, float]]:
    """What was asked, of how many policies, and the median, the 99th and the 99.9th percentile."""
    for keeper in (gatekeeper(), gatekeeper(HUNDRED)):
        for says, question, allowed in QUESTIONS:
            found = timed(keeper, question, calls, allowed)
            yield says, len(keeper.written), found[calls // 2], found[calls * 99 // 100], found[calls * 999 // 1000]


def matrix_ms() -> float:
    """Drawing the whole decision matrix once."""
    start = time.perf_counter()
    draw(gatekeeper().rule)
    return (time.perf_counter() - start) * 1e3


def table(calls: int) -> str:
    """The figures as Markdown."""
    lines = ["| question | policies | median | p99 | p99.9 |", "|---|---|---|---|---|"]
    lines += [
        f"| {says} | {count} | {median:.3f} ms | {p99:.3f} ms | {p999:.3f} ms |"
        for says, count, median, p99, p999 in rows(calls)
    ]
    note = f"Each row is {calls:,} single calls on one core; the target is {TARGET_MS:g} ms at p99 for one apply. "
    return "\n".join([*lines, "", note + f"Drawing the whole decision matrix takes {matrix_ms():.0f} ms."])


def main() -> None:
    """Measure, print, and write where that is asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=20_000)
    options.add_argument("--write", action="store_true")
    wanted = options.parse_args()
    markdown = table(wanted.calls)
    print(markdown, machine(), sep="\n\n")
    if wanted.write:
        write_section("gate", markdown)


if __name__ == "__main__":
    main()
