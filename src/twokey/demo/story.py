"""The demo's story, link by link: each either holds or ends the demo with what was wrong.

Rules kept here:
- everything goes through the doors that anybody would use: HTTP, OFREP, the webhook; nothing reaches into a store;
- keys are turned by people, each with their own session and password; the demo's own hands are those of three people
  and two services.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from twokey.demo import alarm, scenario
from twokey.demo.clock import HurriedClock
from twokey.demo.desk import API, Desk, new_password, send_alerts, wait_for
from twokey.demo.process import Broken, Running
from twokey.demo.scenario import ADMINISTRATOR, CANDIDATE, INES, MARA, PROFILE, ROLLOUT_RULE, TONE, Person
from twokey.demo.screen import Screen
from twokey.demo.traffic import Place, Traffic
from twokey.engine.wire import ChangeEvent, ChangeKind

HISTORY_MINUTES = 40.0
"""How long before the alert the story begins."""
WIDENED, DEPLOYED, RETONED = 32.0, 19.0, 6.0
"""Minutes before the alert at which the rollout widens, another service is deployed, the tone's trial grows."""
SETTLED = frozenset({"holding", "breached"})


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the story is told: seconds for the history, and conversations a second in each of its parts.

    `enough` is how many conversations must have had the candidate before the alert fires.
    """

    history_seconds: float = 15.0
    fast: float = 340.0
    live: float = 20.0
    busy: float = 130.0
    enough: int = 150


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Secrets of the services and the agent that take part."""

    signals: str
    evaluate: str
    telemetry: str
    agent: str


class Story:
    """One run of the demo against a running server."""

    def __init__(
        self, running: Running, clock: HurriedClock, screen: Screen, password: str, pace: Pace | None = None
    ) -> None:
        self.running, self.clock, self.screen, self.pace = running, clock, screen, pace or Pace()
        self.passwords = {ADMINISTRATOR.username: password}
        self.desks: dict[str, Desk] = {}
        self._tokens: Tokens | None = None
        self._traffic: Traffic | None = None
        self._fired = datetime.now(UTC)
        self.case = self.proposal = self.change = ""

    def close(self) -> None:
        """Let go of traffic and connections."""
        if self._traffic is not None:
            self._traffic.close()
        for each in self.desks.values():
            each.close()

    @property
    def traffic(self) -> Traffic:
        """The conversations."""
        if self._traffic is None:
            raise Broken("traffic", "nobody writes in yet")
        return self._traffic

    def desk(self, person: Person) -> Desk:
        """Where that person sits; they sign in the first time."""
        if person.username not in self.desks:
            self.desks[person.username] = Desk(self.running.url, person, self.passwords[person.username])
        return self.desks[person.username]

    # ------------------------------------------------------------ before the alert

    def set_up(self) -> None:
        """People and tokens, made through the API by the administrator."""
        administrator = self.desk(ADMINISTRATOR)
        for person in scenario.PEOPLE:
            self.passwords[person.username] = new_password()
            administrator.add_person(person, self.passwords[person.username])
        self._tokens = Tokens(
            signals=administrator.token("alertmanager", "signals:write"),
            evaluate=administrator.token("support assistant: flags", "flags:evaluate"),
            telemetry=administrator.token("support assistant: telemetry", "telemetry:write"),
            agent=administrator.token(
                "an assistant of yours",
                "flags:read",
                "signals:read",
                "evidence:read",
                "proposals:write",
                kind="agent",
                on_behalf_of=ADMINISTRATOR.username,
            ),
        )

    @property
    def tokens(self) -> Tokens:
        """The tokens; they exist once `set_up` is done."""
        if self._tokens is None:
            raise Broken("tokens", "there are none yet")
        return self._tokens

    def tell_history(self) -> None:
        """Forty minutes in some seconds: traffic, a rollout that two people widen, things that happen beside it."""
        place = Place(url=self.running.url, evaluate_token=self.tokens.evaluate, telemetry_token=self.tokens.telemetry)
        self._traffic = Traffic(place, lambda: self.clock())  # noqa: PLW0108 - the clock is set anew meanwhile
        text = f"{PROFILE} serves {CANDIDATE} to internal staff and 1 % of paying conversations."
        self.screen.then(self.clock(), text)
        self.traffic.start(self.pace.fast)
        self._hurry_to(WIDENED)
        self._agree(f"widen {CANDIDATE} to 10 percent", PROFILE, ROLLOUT_RULE, scenario.weights(10), "1 to 10 %")
        self._hurry_to(DEPLOYED)
        self._deploy()
        self._hurry_to(RETONED)
        self._agree("try the concise tone on 20 percent", TONE, None, scenario.weights(20, "concise"), "5 to 20 %")
        self._hurry_to(0)
        self._catch_up()

    def _hurry_to(self, minutes: float) -> None:
        """Let the clock run fast until so many minutes before the present; traffic goes on at its own pace."""
        ahead = self.clock.behind().total_seconds() / 60 - minutes
        seconds = self.pace.history_seconds * ahead / HISTORY_MINUTES
        self.clock = self.clock.hurried(ahead + seconds / 60, seconds)
        self.running.set_clock(self.clock)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._check_traffic()
            time.sleep(0.05)

    def _check_traffic(self) -> None:
        if self.traffic.problem is not None:
            raise Broken("traffic", str(self.traffic.problem))

    def _agree(
        self, title: str, flag: str, rule: str | None, weights: tuple[tuple[str, int], ...], shares: str
    ) -> None:
        """A change made as it should be: one drafts, two others turn their keys."""
        operation: dict[str, Any] = {"op": "set_weights", "flag": flag, "weights": [list(each) for each in weights]}
        if rule is not None:
            operation["rule"] = rule
        drafted = self.desk(ADMINISTRATOR).propose(title, [operation], f"{title}: the stage before went well")
        self.desk(INES).approve(drafted["id"], drafted["digest"])
        applied = self.desk(MARA).approve(drafted["id"], drafted["digest"])
        if applied["status"] != "applied":
            raise Broken("history", f"`{title}` is {applied['status']} after both approvals")
        who = f"{_first(ADMINISTRATOR)} drafts it, {_first(INES)} and {_first(MARA)} approve"
        self.screen.then(self.clock(), f"{flag} goes from {shares}: {who}.")

    def _deploy(self) -> None:
        deployed = ChangeEvent(
            kind=ChangeKind.DEPLOY, title="ticket-search 4.12.0", service="ticket-search", at=self.clock()
        )
        self.traffic.announce(deployed)
        self.screen.then(self.clock(), "ticket-search is deployed, which the assistant does not use.")

    def _catch_up(self) -> None:
        wait_for("traffic", "conversations with the candidate", self._played_enough, 60)
        played = sum(self.traffic.tally.values())
        met = self.traffic.tally[(ROLLOUT_RULE, CANDIDATE)]
        text = f"The clock is the present. {played:,} conversations so far, {met:,} of customers with {CANDIDATE}."
        self.screen.then(self.clock(), text)

    def _played_enough(self) -> bool | None:
        self._check_traffic()
        enough = self.traffic.tally[(ROLLOUT_RULE, CANDIDATE)] >= self.pace.enough
        return True if enough and self.clock.behind() < timedelta(seconds=1) else None

    # ------------------------------------------------------------ signal, triage, proposal

    def signal(self) -> None:
        """A real alert opens a case."""
        self.traffic.start(self.pace.live)
        self._fired = datetime.now(UTC)
        received = send_alerts(self.running.url, self.tokens.signals, alarm.payload(self._fired))
        outcomes = [each["outcome"] for each in received["results"]]
        if outcomes != ["opened", "joined"]:
            raise Broken("signal", f"the alerts were {', '.join(outcomes)}, not opened and joined")
        self.case = received["results"][0]["case"]
        names = " and ".join(name for name, _, _ in alarm.ALERTS)
        self.screen.step("signal", f"Alertmanager posts {names}. {self.case} opens.")

    def triage(self) -> dict[str, Any]:
        """The analyst's finding."""
        found = wait_for("triage", "finding", lambda: self.look()["finding"], 30)
        if not found["suspects"]:
            raise Broken("triage", f"the analyst suspects nothing: {found['summary']}")
        unsupported = [each["says"] for each in found["citations"] if not each["supported"]]
        if unsupported:
            raise Broken("triage", f"figures are not in the evidence: {'; '.join(unsupported)}")
        self.screen.step("triage", found["summary"])
        figures = len(found["citations"])
        self.screen.more(f"{figures} figures cited, each read again in the evidence.")
        for gap in found["gaps"]:
            self.screen.more(f"Not known: {gap['sentence']}.")
        return dict(found)

    def draft(self) -> dict[str, Any]:
        """The proposal that waits for its keys."""
        row = wait_for("proposal", "drafted proposal", lambda: next(iter(self.look()["proposals"]), None), 20)
        self.proposal = row["id"]
        proposal = self.read_proposal()
        document = self.desk(ADMINISTRATOR).text("proposal", f"{API}/proposals/{self.proposal}/document")
        if "to: internal_only" not in document:
            raise Broken("proposal", f"it does not reduce to internal only:\n{document}")
        roles = " and ".join(each["role"] for each in proposal["keys"])
        self.screen.step("proposal", f"{self.proposal}: {proposal['title']}. Computed effect: {proposal['effect']}.")
        if radius := proposal["blast_radius"]:
            units, sampled = radius["changed_units"], radius["sampled_units"]
            self.screen.more(
                f"Replayed on {sampled:,} recorded conversations, {units:,} would be served something else."
            )
        self.screen.more(f"Two keys: {roles}. Both ways back are proven. Digest {proposal['digest'][7:19]}.")
        return proposal

    def has_pages(self) -> bool:
        """Whether the control room can be opened in a browser."""
        return self.desk(ADMINISTRATOR).status("/") == httpx.codes.OK

    def look(self) -> dict[str, Any]:
        """The case as it stands."""
        found: dict[str, Any] = self.desk(ADMINISTRATOR).get("case", f"{API}/cases/{self.case}")
        return found

    def read_proposal(self) -> dict[str, Any]:
        """The proposal as it stands."""
        found: dict[str, Any] = self.desk(ADMINISTRATOR).get("proposal", f"{API}/proposals/{self.proposal}")
        return found

    # ------------------------------------------------------------ approval, change

    def turn_both_keys(self) -> None:
        """Two different people, each with their own session and their password typed now."""
        digest = self.read_proposal()["digest"]
        before = self.desk(INES).approve(self.proposal, digest, "the candidate is slower for customers: take it back")
        self.screen.step("approval", f"{INES.name} turns the first key ({INES.roles[0]}).")
        if before["status"] != "pending":
            raise Broken("approval", f"one key sufficed: the proposal is {before['status']}")
        self.desk(MARA).approve(self.proposal, digest, "narrow, and the way back is proven")
        self.screen.more(f"{MARA.name} turns the second key ({MARA.roles[0]}).")

    def changed(self) -> None:
        """The change is live, and the conversation that had the candidate gets the baseline."""
        proposal = self.read_proposal()
        if proposal["status"] != "applied":
            raise Broken("change", f"the proposal is {proposal['status']}")
        self.change = str(proposal["change"])
        made = self.desk(ADMINISTRATOR).get("change", f"{API}/changes/{self.change}")
        revisions = f"revision {made['revision_before']} -> {made['revision_after']}"
        self.screen.step("change", f"{self.change}: {made['summary']} ({revisions}), without a deployment.")
        asked = self.traffic.seen.get((ROLLOUT_RULE, CANDIDATE))
        if asked is None:
            raise Broken("change", "no conversation had the candidate")
        now = self.traffic.ask_again(asked)
        if now.variation != scenario.BASELINE:
            raise Broken("change", f"{asked.id} still gets {now.variation}")
        self.screen.more(f"{asked.id} had {CANDIDATE}; asked again over OFREP it gets {now.variation}.")

    # ------------------------------------------------------------ evidence, decision

    def verdict(self, patience: float = 40.0) -> dict[str, Any]:
        """What telemetry says after the change."""
        self.traffic.start(self.pace.busy)
        check = wait_for("evidence", "settled verdict", self._settled, patience, pause=1.0)
        self.traffic.start(self.pace.live)
        for each in check["verdicts"]:
            if each["status"] in SETTLED:
                self.screen.step("evidence", f"{each['status']}: {each['sentence']}.")
        for gap in check["gaps"]:
            self.screen.step("evidence", f"cannot judge: {gap['sentence']}.")
        return check

    def _settled(self) -> dict[str, Any] | None:
        self._check_traffic()
        check: dict[str, Any] = self.desk(INES).post("evidence", f"{API}/cases/{self.case}/check")
        joined = [each for each in check["verdicts"] if each["guardrail"] != "citation_failure_rate"]
        after = check["phase"] == "after" and all(each["observational"] for each in joined)
        return check if after and all(each["status"] in SETTLED for each in joined) else None

    def recover(self) -> None:
        """Alertmanager says that the alerts ended."""
        send_alerts(self.running.url, self.tokens.signals, alarm.payload(self._fired, ends=datetime.now(UTC)))

    def decide(self, check: dict[str, Any]) -> None:
        """Close the case with decision, outcome, owner and review date."""
        breached = [each["guardrail"] for each in check["verdicts"] if each["status"] == "breached"]
        if breached:
            raise Broken("evidence", f"still breached after the change: {', '.join(breached)}")
        review = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
        held = "; ".join(each["sentence"] for each in check["verdicts"] if each["status"] == "holding")
        body = {
            "choice": "pause",
            "rationale": f"{CANDIDATE} stays with internal staff until its latency and corrections are understood",
            "outcome": held[:4000],
            "owner": "support-ai",
            "review_date": review,
        }
        closed = self.desk(INES).post("decision", f"{API}/cases/{self.case}/close", body)
        text = f"{INES.name} closes the case: {closed['choice']}, owner {closed['owner']}, review on {review}."
        self.screen.step("decision", text)

    def verify(self) -> dict[str, Any]:
        """The audit log holds together."""
        found: dict[str, Any] = self.desk(ADMINISTRATOR).get("audit", f"{API}/audit/verify")
        if not found["ok"]:
            raise Broken("audit", found["problem"])
        self.screen.more(f"The audit log verifies: {found['entries']} entries, head {found['head'][7:19]}.")
        return found

    def record(self) -> tuple[dict[str, Any], str]:
        """The decision record as JSON and as a page of text."""
        path = f"{API}/cases/{self.case}/record"
        found: dict[str, Any] = self.desk(ADMINISTRATOR).get("record", path, format="json")
        return found, self.desk(ADMINISTRATOR).text("record", path, format="markdown")


def _first(person: Person) -> str:
    return person.name.partition(" ")[0]
