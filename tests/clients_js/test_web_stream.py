"""Notices of change in a page: what the web provider makes of them, when all goes well and when it does not."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.client.live import eventually
from tests.clients_js.page import Application
from tests.support.ofrep_schema import FLAGS, Seen
from twokey.domain.identity import SYSTEM, Scope
from twokey.domain.operation import SetEnabled
from twokey.steps.manage_access import revoke_token


def listening(application: Application, **options: object) -> list[Seen]:
    """Connect, and wait until the page listens and has made sure that it missed nothing; what it asked for so far."""
    assert application.connect(**options) == {"status": "READY"}
    eventually(application.streams, "the stream")
    eventually(lambda: len(application.asked()) >= 2, "the first look after it")
    return application.asked()


def switch(application: Application, enabled: bool) -> None:
    """`split` serves B while it is enabled, else A."""
    application.server.change(SetEnabled(flag="split", enabled=enabled))


@pytest.fixture(autouse=True)
def _as_it_was(application: Application) -> None:
    if application.server.world.snapshot.flags["split"].enabled is False:
        switch(application, True)


def test_a_change_arrives_without_polling(application: Application) -> None:
    before = listening(application)
    assert [each.status for each in before] == [200, 304]
    switch(application, False)
    eventually(lambda: application.value("split") == "A", "the change")
    assert application.heard("PROVIDER_CONFIGURATION_CHANGED")[-1]["flagsChanged"] == ["split"]
    (asked,) = application.asked()[len(before) :]
    assert asked.requested["if-none-match"] == before[0].headers["etag"]
    assert "flagConfigEtag=" in asked.query, "the notice's tag comes back, so that no replica answers from before it"
    (stream,) = application.streams()
    assert (stream.status, stream.requested["origin"]) == (200, application.origin)
    assert "authorization" not in stream.requested, "an EventSource sends no headers"


def test_the_ticket_in_the_address_is_no_token(application: Application) -> None:
    token = application.server.token()
    listening(application, token=token)
    (stream,) = application.streams()
    assert token not in stream.query
    ticket = stream.query.partition("=")[2]
    for secret in (ticket, *ticket.split(".")):
        answer = httpx.post(f"{application.server.url}{FLAGS}", headers={"X-API-Key": secret}, json={"context": {}})
        assert answer.status_code == 401, "it evaluates nothing"
    forged = f"{ticket[:-1]}{'0' if ticket[-1] != '0' else '1'}"
    assert httpx.get(f"{application.server.url}{stream.path}?ticket={forged}").status_code == 401


def test_another_user_of_the_page_goes_on_listening(application: Application) -> None:
    listening(application)
    application.become(targetingKey="u-2")
    switch(application, False)
    eventually(lambda: application.value("split") == "A", "the change")
    assert application.details("string", "split", "")["flagMetadata"]["contextId"] == "u-2"


def test_a_client_key_hears_and_sees_what_is_visible_and_nothing_else(application: Application) -> None:
    before = listening(application, token=application.server.token(Scope.FLAGS_EVALUATE_VISIBLE))
    assert application.details("boolean", "back-office", False)["errorCode"] == "FLAG_NOT_FOUND"
    assert "back-office" not in before[0].body.decode()
    assert "rule" not in application.details("string", "title", "")["flagMetadata"]
    application.server.change(SetEnabled(flag="back-office", enabled=False))
    switch(application, False)
    eventually(lambda: application.value("split") == "A", "the change")
    assert len(application.asked()) == len(before) + 1, "of the flag that it does not see it heard nothing"
    application.server.change(SetEnabled(flag="back-office", enabled=True))


def test_a_revoked_token_ends_the_stream_and_the_page_does_not_hammer(application: Application) -> None:
    secret = application.server.token()
    before = listening(application, token=secret)
    revoke_token(application.server.world.store, SYSTEM, application.server.id_of(secret))
    eventually(lambda: application.asked()[len(before) :], "the page's next try")
    time.sleep(3.5)
    tries = application.seen("GET")[1:] + application.asked()[len(before) :]
    assert {each.status for each in tries} <= {200, 401}
    assert len(tries) <= 8, "it waits longer each time"
    assert application.value("split") == "B", "what it knows goes on serving"
    switch(application, False)
    time.sleep(0.3)
    assert application.value("split") == "B", "and it learns nothing more"


def test_a_server_that_dies_and_comes_back_is_found_again(application: Application) -> None:
    listening(application)
    application.server.stop()
    eventually(lambda: application.heard("PROVIDER_STALE"), "the page's notice that it is alone")
    assert application.value("split") == "B"
    switch(application, False)
    application.server.start()
    eventually(lambda: application.value("split") == "A", "what changed meanwhile")
    switch(application, True)
    eventually(lambda: application.value("split") == "B", "what changes from now on")


def test_a_ticket_that_runs_out_is_renewed_without_anybody_noticing(application: Application) -> None:
    """The client takes a new address only when its stream is *refused*. One that is let in and ended, with a notice or
    without, it opens again every few seconds at the old address, and evaluates each time, for as long as the page is
    open: so who comes with a ticket that has run out has to be refused.
    """
    listening(application)
    (first,) = application.streams()
    application.server.world.clock.forward(hours=13)
    renewed = eventually(lambda: [each for each in application.streams() if each.query != first.query], "a new ticket")
    assert renewed[-1].status == 200
    time.sleep(4)
    assert (len(application.streams()), len(application.asked())) == (3, 4), "then it is at rest"
    switch(application, False)
    eventually(lambda: application.value("split") == "A", "what changes from now on")
