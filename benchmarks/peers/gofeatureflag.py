"""GO Feature Flag's provider in its in-process mode (its Go engine as WebAssembly), asked through OpenFeature's client.

It takes its flags from a relay proxy. A small server on this machine answers that one question at the start; nothing
is collected, and the next look at the server is days away.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from benchmarks.peers.openfeature_asking import Asked
from benchmarks.peers.shape import Loaded, Plain, flags_of, listed, percent, questions

IMPORTS = ("openfeature.api", "gofeatureflag_python_provider.provider")


def translate(document: Plain) -> Plain:
    segments = {each["key"]: _within(each["included"]) for each in document["segments"]}
    flags = {key: _flag(case, flag, segments) for key, case, flag in flags_of(document)}
    return {"flags": flags, "evaluationContextEnrichment": {}}


def _within(users: list[str]) -> str:
    """A list may have a thousand entries, so a longer one is asked for in parts."""
    parts = [users[start : start + 1_000] for start in range(0, len(users), 1_000)]
    return " or ".join(f"targetingKey in {_listed(part)}" for part in parts)


def _listed(values: list[str]) -> str:
    return "[" + ",".join(f'"{each}"' for each in values) + "]"


def _flag(case: str, flag: Plain, segments: dict[str, str]) -> Plain:
    switch: Plain = {"variations": {"on": True, "off": False}, "trackEvents": False}
    if case == "boolean":
        return {**switch, "defaultRule": {"variation": "on"}}
    if case == "rollout":
        share = percent(flag)
        return {**switch, "defaultRule": {"percentage": {"on": share, "off": 100 - share}}}
    if case == "rules":
        targeting = [{"query": query, "variation": "on"} for query in _rules(flag)]
        return {**switch, "targeting": targeting, "defaultRule": {"variation": "off"}}
    name, inside, outside = listed(flag)
    targeting = [{"query": segments[name], "variation": "on"}]
    variations = {"on": inside, "off": outside}
    return {**switch, "variations": variations, "targeting": targeting, "defaultRule": {"variation": "off"}}


def _rules(flag: Plain) -> list[str]:
    asked = questions(flag)
    return [
        f'country eq "{asked.country}" and plan in {_listed(asked.plans)}',
        f'email ew "{asked.suffix}"',
        f"version ge {asked.version}",
    ]


def load(payload: Path, document: Plain) -> Loaded:
    from gofeatureflag_python_provider.options import EvaluationType, GoFeatureFlagOptions
    from gofeatureflag_python_provider.provider import GoFeatureFlagProvider

    relay = HTTPServer(("127.0.0.1", 0), _answering(payload.read_bytes()))
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    options = GoFeatureFlagOptions(
        endpoint=f"http://127.0.0.1:{relay.server_port}",
        evaluation_type=EvaluationType.INPROCESS,
        disable_data_collection=True,
        flag_config_poll_interval_seconds=10**6,
    )
    try:
        return Asked(GoFeatureFlagProvider(options=options), document, "gofeatureflag")
    finally:
        relay.shutdown()
        relay.server_close()


def _answering(body: bytes) -> type[BaseHTTPRequestHandler]:
    class Relay(BaseHTTPRequestHandler):
        """Answers every question with the flags."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Relay
