"""The flags and contexts that the engine and its peers are measured on, as plain data that needs no library.

Four cases in equal parts make the *light* mix:

1. a boolean, on, without rules;
2. three rules of which only the last matches: equality and a list of 20; an e-mail suffix; a version;
3. a rollout to 10 % of the users, by the user's key;
4. a JSON variation behind a segment: of 20 listed users in the light mix, of 10,000 in the *heavy* one.

The segments are shared: all flags of case 4 name the same one. The third mix is rollouts only.
"""

from __future__ import annotations

from typing import Any

USER = "user-4711"
CONTEXT: dict[str, Any] = {
    "targetingKey": USER,
    "email": "someone@example.com",
    "country": "DE",
    "plan": "pro",
    "version": "2.4.1",
}
"""The user who is asked about: in both segments, in the last rule of case 2 and in nobody's first two."""

CASES = ("boolean", "rules", "rollout", "segment")
PLANS = tuple(f"plan-{number}" for number in range(20))
PROFILE = {"model": "m-large", "temperature": 0.2, "tools": ["search", "files"], "limits": {"tokens": 4096, "turns": 8}}
PROFILE_SAFE = {"model": "m-small", "temperature": 0, "tools": [], "limits": {"tokens": 512, "turns": 2}}


def users(count: int) -> list[str]:
    """That many users' keys, ours in the middle."""
    return [USER if number == count // 2 else f"user-{number + 100_000}" for number in range(count)]


def boolean(key: str) -> dict[str, Any]:
    """Case 1: on for everybody."""
    return {**_switch(key), "otherwise": {"variation": "on"}}


def rules(key: str) -> dict[str, Any]:
    """Case 2: three rules, the last matches."""
    questions = [
        [_clause("country", "in", "FR"), _clause("plan", "in", *PLANS)],
        [_clause("email", "ends_with", "@internal.example")],
        [_clause("version", "semver_gte", "2.3.0")],
    ]
    listed = [
        {"id": f"rule-{number}", "clauses": clauses, "serve": {"variation": "on"}}
        for number, clauses in enumerate(questions, 1)
    ]
    return {**_switch(key), "rules": listed, "otherwise": {"variation": "off"}}


def rollout(key: str) -> dict[str, Any]:
    """Case 3: on for a tenth of the users."""
    weights = [["on", 10_000], ["off", 90_000]]
    return {**_switch(key), "otherwise": {"rollout": {"weights": weights}}}


def segment(key: str, named: str) -> dict[str, Any]:
    """Case 4: a JSON variation for a segment."""
    clause = _clause("targetingKey", "in_segment", named)
    return {
        "key": key,
        "type": "object",
        "enabled": True,
        "variations": [{"key": "candidate", "value": PROFILE}, {"key": "baseline", "value": PROFILE_SAFE}],
        "baseline": "baseline",
        "rules": [{"id": "listed", "clauses": [clause], "serve": {"variation": "candidate"}}],
        "otherwise": {"variation": "baseline"},
    }


def light(count: int) -> dict[str, Any]:
    """A snapshot of the four cases in equal parts; the segment lists 20 users."""
    return document(_mixed(count, "few"), [{"key": "few", "included": users(20)}])


def heavy(count: int) -> dict[str, Any]:
    """As `light`, and every flag of case 4 stands behind the segment of 10,000 users."""
    return document(_mixed(count, "many"), [{"key": "many", "included": users(10_000)}])


def rollouts(count: int) -> dict[str, Any]:
    """A snapshot of rollouts only."""
    return document([rollout(f"flag-{number:05}") for number in range(count)], [])


MIXES = {"light": light, "heavy": heavy, "rollouts": rollouts}


def document(flags: list[dict[str, Any]], segments: list[dict[str, Any]]) -> dict[str, Any]:
    """A `twokey/1` snapshot of these."""
    header = {"format": "twokey/1", "project": "bench", "environment": "production", "revision": 1}
    return {**header, "flags": flags, "segments": segments}


def key_of(case: str, count: int) -> str:
    """A flag of that case in the middle of a mix of that many."""
    return f"flag-{count // 2 // 4 * 4 + CASES.index(case):05}"


def _mixed(count: int, named: str) -> list[dict[str, Any]]:
    makers = (boolean, rules, rollout, lambda key: segment(key, named))
    return [makers[number % 4](f"flag-{number:05}") for number in range(count)]


def _switch(key: str) -> dict[str, Any]:
    variations = [{"key": "on", "value": True}, {"key": "off", "value": False}]
    return {"key": key, "type": "boolean", "enabled": True, "variations": variations, "baseline": "off"}


def _clause(attribute: str, operator: str, *values: Any) -> dict[str, Any]:
    return {"attribute": attribute, "operator": operator, "values": list(values)}
