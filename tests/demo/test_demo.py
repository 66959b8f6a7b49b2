"""The demo, played: real server process, real OFREP client, real alert; once by itself, once waiting for people."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

QUICK = "Pace(history_seconds=6.0, fast=420.0, live=10.0, busy=160.0, enough=110)"
SCRIPT = """
import sys
from twokey.demo.main import run
from twokey.demo.story import Pace
sys.exit(run(auto={auto}, json_output={json}, port=0, pace={pace}))
"""


def play(folder: Path, *, auto: bool, json: bool) -> subprocess.Popen[str]:
    """The demo as a process, quicker than people would want it, its throw-away folder below ours."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", SCRIPT.format(auto=auto, json=json, pace=QUICK)],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_demo_turns_both_keys_and_every_link_holds(tmp_path: Path) -> None:
    process = play(tmp_path, auto=True, json=True)
    out, told = process.communicate(timeout=90)
    assert process.returncode == 0, told
    answer = msgspec.json.decode(out)
    record = answer["record"]
    assert answer["ok"] is True
    assert answer["audit"]["ok"] is True
    assert list(tmp_path.iterdir()) == []

    states = {each["guardrail"]: (each["status"], each["observational"]) for each in answer["verdicts"]}
    assert states["p95_latency"] == ("holding", True)
    assert states["manual_correction_rate"] == ("holding", True)
    assert states["citation_failure_rate"][0] == "cannot_judge"
    for line in ("1 signal", "2 triage", "3 proposal", "4 approval", "5 change", "6 evidence", "7 decision"):
        assert line in told
    text = msgspec.json.encode(record).decode()
    for said in ("Ines Carvalho", "Mara Lindqvist", "support_answer_profile", "not_joined", "pause"):
        assert said in text


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    """What the demo says up to and including a line with the mark."""
    told = ""
    assert process.stdout is not None
    for line in process.stdout:
        told += line
        if mark in line:
            return told
    pytest.fail(f"the demo ended before `{mark}`:\n{told}")


def sign_in(url: str, username: str, password: str) -> httpx.Client:
    http = httpx.Client(base_url=url, trust_env=False)
    session = http.post("/api/v1/session", json={"username": username, "password": password})
    http.headers["X-CSRF-Token"] = session.json()["csrf"]
    return http


def eventually_status(http: httpx.Client, case: str, status: str) -> None:
    until = time.monotonic() + 30
    while http.get(f"/api/v1/cases/{case}").json()["status"] != status:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_the_demo_waits_for_two_people_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    process = play(tmp_path, auto=False, json=False)
    try:
        told = read_until(process, "Ctrl-C ends the demo")
        url = re.findall(r"http://127\.0\.0\.1:\d+", told)[0]
        case, proposal = re.findall(r"case-\w{12}", told)[-1], re.findall(r"proposal-\w{12}", told)[-1]
        passwords = dict(re.findall(r"^  (\w+) +((?:\w{4}-){3}\w{4}) ", told, re.MULTILINE))
        digest = ""
        for username in ("ines", "mara"):
            http = sign_in(url, username, passwords[username])
            digest = http.get(f"/api/v1/proposals/{proposal}").json()["digest"]
            approved = http.post(
                f"/api/v1/proposals/{proposal}/approve", json={"digest": digest, "password": passwords[username]}
            )
            assert approved.status_code == 200, approved.text
        said = read_until(process, "asked again over OFREP it gets baseline")
        assert "Ines Carvalho turned the key" in said
        assert "Mara Lindqvist turned the key" in said

        eventually_status(http, case, "watching")
        review = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
        body = {"choice": "pause", "rationale": "r", "outcome": "o", "owner": "support-ai", "review_date": review}
        assert http.post(f"/api/v1/cases/{case}/close", json=body).status_code == 200
        assert f"The case is closed: pause, owner support-ai, review on {review}" in read_until(process, "The record:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz", trust_env=False)


def test_a_link_that_does_not_hold_is_named_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.demo import main, process

    monkeypatch.setattr(process, "PATIENCE", 10.0)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert main.run(auto=True, json_output=True, port=0) == 1
    out, told = capsys.readouterr()
    assert msgspec.json.decode(out)["link"] == "start"
    assert "The demo stops at `start`" in told
