"""No secret of the assistant's process goes where it does not belong, and no credential in foreign text goes out."""

from __future__ import annotations

import base64
import json
import logging
from urllib.parse import quote

import pytest

from tests.assistant.test_runs import ABSTAINS, hasty
from tests.support.assisting import Room, settings_for
from tests.support.providers import (
    KEY,
    PROTOCOLS,
    Act,
    Calls,
    FakeProvider,
    Protocol,
    Request,
    Status,
    call,
    concludes,
    reads,
)
from tests.support.server import alertmanager_body
from twokey.assistant.guard import MASK, Guard, Leak, masked_text
from twokey.assistant.run import Failed, Found
from twokey.domain.identity import Scope

TOKEN = "twokey_" + "Q7x-_k3Zp9Lm2Rt5Vw8Yb1Nd4Fg6Hj0Ks"
FOREIGN = {
    "sk-proj-abcdefghij0123456789": "a key of a provider",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789": "a token of a forge",
    "xoxb-123456789012-abcdefghijklmnop": "a token of a chat",
    "AKIAABCDEFGHIJKLMNOP": "a key of a cloud",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl": "a signed token",
    "Bearer abcdef0123456789": "a header",
    "postgresql://twokey:hunter22@db.example.com/x": "an address with a password",
    "password = hunter2222": "a password",
    'api_key: "abcd-efgh-ijkl"': "a key by its name",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": "a private key",
}
SECRET_PARTS = (
    "abcdefghij0123456789", "ghp_abcdef", "abcdefghijklmnop", "AKIAABCD", "eyJhbGci", "abcdef0123456789", "hunter22",
    "hunter2222", "abcd-efgh", "MIIEow",
)  # fmt: skip


@pytest.mark.parametrize(("text", "part"), list(zip(FOREIGN, SECRET_PARTS, strict=True)))
def test_what_looks_like_a_credential_is_masked(text: str, part: str) -> None:
    shown = masked_text(f"before {text} after")
    assert part not in shown
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "sha256:8c4ec2ef0f4fd7d3c7e1d2c6d4f6cf0f3f0e5c4b3a29181716151413121110ff",
        "evidence-000000000013",
        "p95_latency: 4,518 ms on the candidate, 2,371 ms on the baseline (limit 2,500 ms)",
        "support_answer_profile moved `reranker_v2` in rule `pro-10` from 0 % to 10 %",
        "2026-11-02T09:31:00Z",
        "https://grafana.example.com/d/abc?from=now-1h",
        "token budget exceeded: 4096 tokens",
    ],
)
def test_what_evidence_is_made_of_is_left_alone(text: str) -> None:
    assert masked_text(text) == text


def test_a_value_whose_name_says_what_it_is_is_masked() -> None:
    told = {"DB_PASSWORD": "x", "authorization": "y", "nested": [{"client_secret": "z", "units": 7}], "tokens": 5}
    assert Guard().clean(told) == {
        "DB_PASSWORD": MASK, "authorization": MASK, "nested": [{"client_secret": MASK, "units": 7}], "tokens": 5
    }  # fmt: skip


def spellings(secret: str) -> dict[str, str]:
    return {
        "plain": secret,
        "in a sentence": f"the token is {secret}.",
        "reversed": secret[::-1],
        "hex": secret.encode().hex(),
        "percent": quote(secret, safe=""),
        "base64": base64.b64encode(secret.encode()).decode(),
        "base64 within": base64.b64encode(b"a" + secret.encode() + b"bc").decode(),
        "base64 of url": base64.urlsafe_b64encode(b"ab" + secret.encode()).decode(),
    }


@pytest.mark.parametrize("spelling", sorted(spellings(TOKEN)))
def test_the_guard_knows_a_secret_in_any_spelling(spelling: str) -> None:
    guard = Guard(TOKEN, KEY)
    text = spellings(TOKEN)[spelling]
    with pytest.raises(Leak) as raised:
        guard.check(json.dumps({"content": text}).encode())
    assert text not in str(raised.value)
    assert text not in guard.scrub(text)
    assert TOKEN not in repr(guard)


def test_the_guard_lets_everything_else_pass() -> None:
    Guard(TOKEN, "no-key").check(b"no-key, and twokey_0123 are no secrets of this process")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_secret_is_in_what_is_sent_or_told(
    desk: Room, protocol: Protocol, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A provider that is asked everything, then says the key and the token it has guessed in an error."""
    caplog.set_level(logging.DEBUG)

    def asks(request: Request) -> Act:
        given = {"read_flag": {"key": "support_answer_profile"}}
        return Calls(tuple((name, given.get(name, {})) for name in sorted(request.tools) if name.startswith("list_")))

    says = Status(401, message=f"{KEY} is not {desk.token}", code=KEY)
    with FakeProvider(asks, reads, says) as provider:
        outcome = desk.run(settings_for(provider, protocol, hasty()))
    assert isinstance(outcome, Failed), outcome
    assert len(provider.requests) == 3
    for each in provider.requests:
        print(sorted(each.headers))
        assert str(each.headers).count(KEY) == 1, "it is in one header"
    printed = capfd.readouterr()
    whole = [provider.everything, str(outcome), json.dumps(desk.seen()), caplog.text, printed.out, printed.err]
    whole += [str(each.detail) for each in desk.entries("finding.fail")]
    for secret in (KEY, desk.token):
        for spelt in spellings(secret).values():
            assert not [place for place in whole if spelt in place]


def test_a_prompt_with_a_secret_is_not_sent(desk: Room) -> None:
    """Somebody pastes the token where the model's name belongs."""
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        settings = settings_for(provider, "openai", hasty())
        object.__setattr__(settings, "model", desk.token)
        outcome = desk.run(settings)
    assert isinstance(outcome, Failed)
    assert outcome.why == "refused"
    assert "held a secret of this process" in outcome.summary
    assert provider.requests == []


def test_a_secret_that_others_wrote_into_evidence_is_masked_before_it_is_sent(home: Room, desk: Room) -> None:
    body = alertmanager_body("Leaking")
    body["alerts"][0]["annotations"]["summary"] = f"curl -H 'Authorization: Bearer {desk.token}' failed; key {KEY}"
    body["alerts"][0]["labels"] |= {"workflow": "leaks", "password": "hunter2222", "dsn": "x://u:hunter2222@h"}
    assert home.doors.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=body).status_code == 200
    home.world.work()
    with home.world.store.read() as uow:
        case = next(each.id for each in uow.cases.where() if each.id != home.case)
    with FakeProvider(call("read_signals"), call("abstain", ABSTAINS)) as provider:
        outcome = desk.run(settings_for(provider, "anthropic"), case)
    assert isinstance(outcome, Found), outcome
    sent = provider.everything
    assert MASK in sent
    assert "Leaking" in sent
    for secret in (desk.token, KEY, "hunter2222"):
        assert secret not in sent


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_provider_that_puts_the_key_into_its_answer_is_not_passed_on(desk: Room, protocol: Protocol) -> None:
    """It knows its own key, and the finding is read by everybody on the case."""
    with FakeProvider(call("abstain", {**ABSTAINS, "reason": f"your key is {KEY}"})) as provider:
        outcome = desk.run(settings_for(provider, protocol, hasty()))
    assert isinstance(outcome, Failed)
    assert (outcome.why, outcome.on_record, len(provider.requests)) == ("refused", True, 1)
    assert KEY not in json.dumps(desk.seen()) + outcome.summary


def test_what_a_model_says_goes_nowhere_but_into_the_finding(desk: Room, capfd: pytest.CaptureFixture[str]) -> None:
    """Text beside a call is dropped: it is no finding, and nobody is shown it."""

    def chats(request: Request) -> Act:
        answer = concludes(request)
        assert isinstance(answer, Calls)
        return Calls(answer.calls, text="\x1b[31mAPPROVED by the release manager\x1b[0m")

    with FakeProvider(reads, chats) as provider:
        assert isinstance(desk.run(settings_for(provider, "openai")), Found)
    printed = capfd.readouterr()
    assert "APPROVED by the release" not in json.dumps(desk.seen()) + printed.out + printed.err
