"""What comes in as an alert: parsed field by field, or refused by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import alertmanager_body
from twokey.domain.signal import MAX_ALERTS, SignalStatus, parse_alertmanager
from twokey.engine.errors import Invalid


def parse(body: dict[str, Any]) -> Any:
    return parse_alertmanager(json.dumps(body).encode(), "am")


def test_each_alert_of_a_group_has_its_own_status() -> None:
    body = alertmanager_body("A", "B")
    body["alerts"][1] |= {"status": "resolved", "endsAt": "2026-11-02T09:30:00Z"}
    first, second = parse(body)
    assert (first.status, first.ends_at) == (SignalStatus.FIRING, None)
    assert second.status is SignalStatus.RESOLVED
    assert second.ends_at is not None
    assert second.ends_at.hour == 9


def test_the_sentinel_end_of_a_firing_alert_is_no_end() -> None:
    (alert,) = parse(alertmanager_body("A"))
    assert alert.ends_at is None


def test_an_alert_without_a_fingerprint_is_identified_by_its_labels() -> None:
    body = alertmanager_body("A", "B")
    for each in body["alerts"]:
        del each["fingerprint"]
    first, second = parse(body)
    assert first.fingerprint != second.fingerprint
    assert parse(body)[0].fingerprint == first.fingerprint


def test_newer_fields_of_alertmanager_are_taken_as_they_come() -> None:
    body = alertmanager_body("A") | {"notification_reason": "repeat interval elapsed", "routeLabels": {"team": "x"}}
    assert len(parse(body)) == 1


@pytest.mark.parametrize(
    ("field", "break_it"),
    [
        ("version", lambda body: body | {"version": "1"}),
        ("alerts", lambda body: body | {"alerts": []}),
        ("alerts", lambda body: body | {"alerts": body["alerts"] * (MAX_ALERTS + 1)}),
        ("alerts[0].status", lambda body: _with(body, status="maybe")),
        ("alerts[0].labels", lambda body: _with(body, labels={})),
        ("alerts[0].startsAt", lambda body: _with(body, startsAt="2026-11-02T09:00:00")),
        ("alerts[0].startsAt", lambda body: _with(body, startsAt="yesterday")),
        ("alerts[0].endsAt", lambda body: _with(body, endsAt="2026-11-02T09:00:00")),
    ],
)
def test_what_is_wrong_is_named_by_field(field: str, break_it: Any) -> None:
    with pytest.raises(Invalid) as caught:
        parse(break_it(alertmanager_body("A")))
    assert caught.value.field == field
    assert caught.value.accepted


def _with(body: dict[str, Any], **changes: object) -> dict[str, Any]:
    return body | {"alerts": [body["alerts"][0] | changes]}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b'"text"'])
def test_what_is_no_payload_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        parse_alertmanager(body, "am")


def test_enormous_texts_are_cut_and_hostile_ones_kept_as_text() -> None:
    body = _with(alertmanager_body("A"), annotations={"summary": "x" * 100_000, "note": "\x1b[2J APPROVED"})
    (alert,) = parse(body)
    assert len(alert.summary) == 4096
    assert alert.annotations["note"] == "\x1b[2J APPROVED"


def test_the_samples_of_real_payloads_are_understood(shared_data: Path) -> None:
    for name in ("firing", "resolved", "new_fields"):
        body = (shared_data / "standards" / "signals" / f"alertmanager_v4_{name}.json").read_bytes()
        alerts = parse_alertmanager(body, "am")
        assert [each.name for each in alerts] == ["CheckoutErrorRateHigh"] * 2
        assert alerts[1].status is SignalStatus.RESOLVED
