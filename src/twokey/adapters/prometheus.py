"""Prometheus, read only: a guardrail's query over a window, by its HTTP API (`/api/v1/query_range`).

What speaks the same API (Thanos, Mimir, VictoriaMetrics) serves as well.

Rules kept here:
- questions only: one GET, bounded in time, readings and bytes;
- places enter a query as escaped text, never as more of the query;
- exactly one series is an answer; none, several and every failure come back as a problem in words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from string import Template
from typing import Literal

import httpx
import msgspec

from twokey.domain.guardrail import Reading, Readings
from twokey.domain.telemetry import Scope, Window
from twokey.engine.errors import Invalid

PATIENCE = 5.0
"""Seconds to wait for an answer, and for the query behind it."""
STEP = timedelta(seconds=15)
MOST_READINGS = 240
MOST_BYTES = 1_000_000
EVERYWHERE = ""
"""The place of a server that is asked for every environment without one of its own."""


class _Series(msgspec.Struct):
    values: list[tuple[float, str]]
    metric: dict[str, str] = {}


class _Data(msgspec.Struct):
    resultType: Literal["matrix"]  # noqa: N815 - Prometheus's own name
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: Literal["success", "error"]
    data: _Data | None = None
    error: str = ""


class Prometheus:
    """The port `Queries`, on a Prometheus for each place, `project/environment`, or for every other (`EVERYWHERE`)."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        """Raises Invalid for what is no address."""
        for place, address in addresses.items():
            url = httpx.URL(address)
            if url.scheme not in ("http", "https") or not url.host:
                raise Invalid("prometheus", f"`{address}` of `{place}` is no address", "http://... or https://...")
        self._addresses = dict(addresses)
        self._client = httpx.Client(timeout=PATIENCE, follow_redirects=False)

    def read(self, scope: Scope, query: str, window: Window) -> Readings:
        """As `Queries.read`."""
        place = f"{scope.project}/{scope.environment}"
        address = self._addresses.get(place) or self._addresses.get(EVERYWHERE)
        if address is None:
            return Readings(problem=f"no Prometheus is known for {place}")
        step = _step(window)
        try:
            return _readings(self._ask(address, placed(query, scope), window, step), step)
        except httpx.HTTPError as error:
            return Readings(step=step, problem=f"Prometheus does not answer ({type(error).__name__})")
        except (msgspec.MsgspecError, ValueError, OverflowError):
            return Readings(step=step, problem="Prometheus gave no readings that can be understood")

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def _ask(self, address: str, query: str, window: Window, step: timedelta) -> _Answer:
        assert window.since is not None and window.until is not None  # noqa: S101, PT018 - `_step` needs both
        asked = {
            "query": query,
            "start": str(window.since.timestamp()),
            "end": str(window.until.timestamp()),
            "step": str(step.total_seconds()),
            "timeout": f"{PATIENCE:.0f}s",
        }
        url = f"{address.rstrip('/')}/api/v1/query_range"
        with self._client.stream("GET", url, params=asked, headers={"Accept-Encoding": "identity"}) as answer:
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    return _Answer(status="error", error=f"its answer is longer than {MOST_BYTES:,} bytes")
            if answer.headers.get("content-type", "").startswith("application/json"):
                return msgspec.json.decode(bytes(body), type=_Answer)
            return _Answer(status="error", error=f"it answers {answer.status_code}")


def placed(query: str, scope: Scope) -> str:
    """The query with its places filled in, as text inside PromQL's quotes; `$` before anything else stays."""
    told = {"project": scope.project, "environment": scope.environment, "flag": scope.flag or ""}
    return Template(query).safe_substitute({name: _quoted(value) for name, value in told.items()})


def _quoted(value: str) -> str:
    """As text within either of PromQL's quotes: what could mean anything there is written as its bytes."""
    return "".join(each if each.isascii() and (each.isalnum() or each in "_.-") else _bytes_of(each) for each in value)


def _bytes_of(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "replace"))


def _step(window: Window) -> timedelta:
    if window.since is None or window.until is None or window.until <= window.since:
        raise Invalid("window", "is open or empty", "both ends, `since` before `until`")
    least = (window.until - window.since) / MOST_READINGS
    return max(STEP, timedelta(seconds=math.ceil(least.total_seconds())))


def _readings(answer: _Answer, step: timedelta) -> Readings:
    if answer.status == "error" or answer.data is None:
        return Readings(step=step, problem=f"Prometheus refused the query: {answer.error[:200] or 'no reason given'}")
    found = answer.data.result
    if len(found) > 1:
        several = f"its query gives {len(found)} series; aggregate them to one, for instance with sum()"
        return Readings(step=step, problem=several)
    values = found[0].values if found else []
    return Readings(
        values=tuple(Reading(at=datetime.fromtimestamp(at, UTC), value=float(value)) for at, value in values),
        step=step,
    )
