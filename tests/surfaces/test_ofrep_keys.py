"""What OFREP tells to whom: client keys, tickets, limits, and answers no older than the notice that led to them."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.attacks.attempts import drafted, now
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World, plain_control, support_control
from twokey.adapters import system
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.sql import SqlStore
from twokey.domain.control import Control
from twokey.domain.identity import SYSTEM, ActorKind, Scope, Token
from twokey.domain.operation import Operation, SetEnabled
from twokey.domain.proposal import ProposalStatus
from twokey.domain.telemetry import Scope as Where
from twokey.domain.telemetry import Window
from twokey.engine.errors import Invalid
from twokey.steps.manage_access import TokenRequest, create_token, revoke_token
from twokey.steps.review_proposal import approve
from twokey.surfaces.hub import Hub
from twokey.surfaces.ofrep.book import Books
from twokey.surfaces.ofrep.tickets import PERIOD, Ticket, read_ticket, ticket_for
from twokey.surfaces.pace import Pace

BULK = "/ofrep/v1/evaluate/flags"
ASK = {"context": {"targetingKey": "u-1", "conversation": "c-1", "plan": "pro"}}
CLIENT = Scope.FLAGS_EVALUATE_VISIBLE


def visible(control: Control) -> Control:
    return msgspec.structs.replace(control, flag=msgspec.structs.replace(control.flag, client_visible=True))


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path, support_control(), visible(plain_control("banner")), plain_control("secret_plan"))
    yield made
    made.close()


def change(world: World, operation: Operation) -> None:
    approve(world.store, world.mara, (made := drafted(world, operation)).id, made.digest, PRESENT)
    assert now(world, made).status is ProposalStatus.APPLIED


def token_of(*scopes: Scope) -> Token:
    return Token(
        id="token-1",
        name="t",
        kind=ActorKind.SERVICE,
        secret_hash="sha256:00",
        scopes=frozenset(scopes),
        project=PROJECT,
        environment=ENVIRONMENT,
        created_at=system.utc_now(),
        created_by="root",
    )


def test_a_client_key_is_told_of_visible_flags_and_nothing_of_their_rules(server: Doors) -> None:
    client = server.token(CLIENT)
    (only,) = client.post(BULK, json=ASK).json()["flags"]
    assert (only["key"], only["value"]) == ("banner", True)
    assert only["metadata"].keys() == {"flagSetId", "version", "contextId"}
    assert client.post(f"{BULK}/banner", json=ASK).json() == only


def test_a_hidden_flag_looks_like_one_that_does_not_exist(server: Doors) -> None:
    client = server.token(CLIENT)
    hidden, absent = (client.post(f"{BULK}/{key}", json=ASK) for key in ("secret_plan", "secret_plum"))
    assert (hidden.status_code, hidden.headers) == (absent.status_code, absent.headers)
    assert hidden.text == absent.text.replace("plum", "plan")


DOORS = [
    f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags",
    "/api/v1/environments",
    "/api/v1/audit",
    "/stream/v1/snapshot",
]


@pytest.mark.parametrize("path", DOORS)
def test_a_client_key_opens_no_other_door(server: Doors, path: str) -> None:
    answer = server.token(CLIENT).get(path, params={"project": PROJECT, "environment": ENVIRONMENT})
    assert answer.status_code == 403
    assert "secret_plan" not in answer.text


def test_a_client_key_has_no_scope_beside_its_own(world: World) -> None:
    wanted = TokenRequest(
        name="page",
        kind=ActorKind.SERVICE,
        scopes=frozenset({CLIENT, Scope.TELEMETRY_WRITE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None,
    )
    with pytest.raises(Invalid, match="stands alone"):
        create_token(world.store, system, SYSTEM, wanted)


def test_the_etag_is_of_one_token(server: Doors) -> None:
    one, other = server.token(Scope.FLAGS_EVALUATE), server.token(Scope.FLAGS_EVALUATE)
    tag = {"If-None-Match": one.post(BULK, json=ASK).headers["etag"]}
    assert one.post(BULK, json=ASK, headers=tag).status_code == 304
    assert other.post(BULK, json=ASK, headers=tag).status_code == 200


def test_the_etag_moves_with_the_ticket_so_that_no_client_keeps_an_address_that_ran_out(
    server: Doors, world: World
) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)
    first = client.post(BULK, json=ASK)
    world.clock.forward(hours=6)
    second = client.post(BULK, json=ASK, headers={"If-None-Match": first.headers["etag"]})
    assert second.status_code == 200
    assert first.json()["flags"] == second.json()["flags"]
    assert first.json()["eventStreams"] != second.json()["eventStreams"]


# -------------------------------------------------------------------- tickets


def test_a_ticket_is_good_for_one_to_two_periods_and_for_its_token_alone() -> None:
    token, other = token_of(CLIENT), msgspec.structs.replace(token_of(CLIENT), secret_hash="sha256:11")
    for moment in (0, 1, PERIOD - 1, PERIOD, 10**9):
        ticket = ticket_for(token, "u-1", moment)
        assert PERIOD < ticket.ends - moment <= 2 * PERIOD
        assert read_ticket(str(ticket)) == ticket
        assert ticket.is_of(token)
        assert not ticket.is_of(other)
        assert not Ticket(ticket.token, ticket.ends + 1, ticket.signature).is_of(token)


@pytest.mark.parametrize("shown", ["", "x", "a.b.c", "token-1.1.zz", f"token-1.99999999999.{'0' * 32}"])
def test_who_has_no_ticket_hears_nothing(server: Doors, shown: str) -> None:
    answer = server.client().get("/ofrep/v1/events", params={"ticket": shown})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "GENERAL")


def test_a_ticket_ends_by_the_clock_and_with_its_token(server: Doors, world: World) -> None:
    client = server.token(CLIENT)
    address = client.post(BULK, json=ASK).json()["eventStreams"][0]["endpoint"]["requestUri"]
    stranger = server.client()
    world.clock.forward(hours=13)
    assert stranger.get(address).status_code == 401
    address = client.post(BULK, json=ASK).json()["eventStreams"][0]["endpoint"]["requestUri"]
    with world.store.read() as uow:
        (token,) = (each for each in uow.tokens.where() if CLIENT in each.scopes)
    revoke_token(world.store, SYSTEM, token.id)
    assert stranger.get(address).status_code == 401


# -------------------------------------------------------------------- notices


def test_a_change_of_what_a_key_does_not_see_is_no_news_to_it(world: World) -> None:
    hub, books, place = Hub(world.store), Books(), (PROJECT, ENVIRONMENT)
    told = [books.of(place, hub.edition(place), full=each).notice for each in (False, True)]
    change(world, SetEnabled(flag="secret_plan", enabled=False))
    after = [books.of(place, hub.edition(place), full=each).notice for each in (False, True)]
    assert after[0].state == told[0].state
    assert after[1].state != told[1].state
    change(world, SetEnabled(flag="banner", enabled=False))
    assert books.of(place, hub.edition(place), full=False).notice.state != told[0].state


def test_the_version_of_a_flag_moves_with_what_it_leans_on_and_with_nothing_else(server: Doors, world: World) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)

    def versions() -> dict[str, str]:
        flags = client.post(BULK, json=ASK).json()["flags"]
        return {each["key"]: each["metadata"]["version"] for each in flags}

    before = versions()
    change(world, SetEnabled(flag="secret_plan", enabled=False))
    after = versions()
    assert {key for key in before if before[key] != after[key]} == {"secret_plan"}


def test_who_comes_because_of_a_notice_is_answered_from_that_state(server: Doors, world: World, tmp_path: Path) -> None:
    """Another process published and told the client; this one has not looked at the store since."""
    client = server.token(Scope.FLAGS_EVALUATE)
    assert client.post(f"{BULK}", json=ASK).json()["metadata"]["version"] == "1"
    elsewhere = elsewhere_of(world, tmp_path)
    change(elsewhere, SetEnabled(flag="banner", enabled=False))
    assert client.post(BULK, json=ASK).json()["metadata"]["version"] == "1"
    place = (PROJECT, ENVIRONMENT)
    notice = Books().of(place, Hub(elsewhere.store).edition(place), full=True).notice
    tag = msgspec.json.decode(notice.frame.split(b"data: ")[1])["etag"]
    fresh = client.post(BULK, json=ASK, params={"flagConfigEtag": tag})
    assert fresh.json()["metadata"]["version"] == "2"
    assert {each["key"]: each["value"] for each in fresh.json()["flags"]}["banner"] is False


def elsewhere_of(world: World, folder: Path) -> World:
    """The same world as another process has it."""
    other = object.__new__(World)
    other.__dict__ |= world.__dict__
    other.store = SqlStore(f"sqlite:///{folder / 'twokey.db'}", world.clock, world.store._ids, gatekeeper)
    return other


# -------------------------------------------------------------------- limits


def test_more_than_a_token_may_ask_is_refused_with_whole_seconds(world: World) -> None:
    doors = Doors(world, per_minute=3)
    busy, calm = doors.token(Scope.FLAGS_EVALUATE), doors.token(Scope.FLAGS_EVALUATE)
    assert [busy.post(f"{BULK}/banner", json=ASK).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = busy.post(BULK, json=ASK)
    assert refused.json()["errorCode"] == "GENERAL"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert calm.post(BULK, json=ASK).status_code == 200


@pytest.mark.parametrize("limit", [1, 7, 1000, 2500])
def test_a_limit_is_kept_to_a_thousandth(limit: int) -> None:
    pace = Pace(limit)
    taken = sum(pace.take("a") == 0 for _ in range(limit + 100))
    assert limit * 0.999 <= taken <= limit
    assert pace.take("b") == 0


# -------------------------------------------------------------------- exposures


def test_what_was_served_is_recorded_where_that_is_asked_for_and_bulk_is_not(world: World) -> None:
    doors = Doors(world, record=True)
    client = doors.token(Scope.FLAGS_EVALUATE)
    client.post(BULK, json=ASK)
    for conversation in ("c-1", "c-2", "c-1"):
        ask = {"context": {**ASK["context"], "conversation": conversation}}
        assert client.post(f"{BULK}/{FLAG}", json=ask).status_code == 200
    doors.hub.close()
    where = Where(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)
    found = world.telemetry.contexts(where, window=Window(), limit=10)
    assert sorted((each.unit, each.unit_name) for each in found) == [("c-1", "conversation"), ("c-2", "conversation")]
    nothing = Where(project=PROJECT, environment=ENVIRONMENT, flag="banner")
    assert world.telemetry.contexts(nothing, window=Window(), limit=10) == ()


def test_nothing_is_recorded_unless_it_is_asked_for(world: World) -> None:
    doors = Doors(world)
    doors.token(Scope.FLAGS_EVALUATE).post(f"{BULK}/{FLAG}", json=ASK)
    doors.hub.close()
    where = Where(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)
    assert world.telemetry.contexts(where, window=Window(), limit=10) == ()


# -------------------------------------------------------------------- bodies


def test_a_body_in_pieces_is_one_body_and_a_large_one_is_refused(server: Doors) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)
    headers = [(b"authorization", client.headers["authorization"].encode())]

    def ask(*pieces: bytes) -> tuple[int, bytes]:
        scope = {"type": "http", "method": "POST", "path": BULK + "/banner", "headers": headers, "query_string": b""}
        waiting, sent = list(pieces), list[MutableMapping[str, Any]]()

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(server.app(scope, receive, send))
        return sent[0]["status"], sent[1]["body"]

    body = msgspec.json.encode(ASK)
    assert ask(body[:7], body[7:20], body[20:]) == ask(body)
    assert ask(body)[0] == 200
    assert ask(*[b" " * 100_000] * 3)[0] == 413
