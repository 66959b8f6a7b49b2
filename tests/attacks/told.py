"""A control plane that was told something in every place where others may say something.

One text goes to each place, place by place, through the same doors that others use. What the texts are is the caller's
choice: the attacks, or as many that want nothing. All else is the same, down to the seed of the traffic.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
from mcp import Client, MCPError
from starlette.testclient import TestClient

from tests.attacks.attempts import REDUCE_JSON
from tests.attacks.hostile import batched, packed, standing
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World, plain_control, support_control
from twokey.adapters.runbooks import FolderRunbooks
from twokey.domain.control import Control, Kind
from twokey.domain.finding import Finding
from twokey.domain.identity import AGENT_SCOPES, ANALYST, ActorKind, Scope
from twokey.domain.telemetry import Scope as Where
from twokey.engine import evaluate
from twokey.engine.flag import Clause, Operator, Rule, Serve, Variation
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch
from twokey.surfaces.mcp_server import ApiAsk, create_server
from twokey.wiring import jobs_of
from twokey.worker import Worker

UNITS = 4_000
HARMED = "us"
DIGEST = "sha256:" + "a" * 64
PLACE = {"project": PROJECT, "environment": ENVIRONMENT}


def flag_that_says(number: int, some: Sequence[str]) -> Control:
    """A flag whose owner may write words into it, and did: each is a line of its texts, a value, and one of a rule."""
    made, said = plain_control(f"other_{number}"), "\n".join(some).strip() or "."
    values = tuple(Variation(key=f"v-{index}", value=each) for index, each in enumerate(some))
    clause = Clause(attribute="plan", operator=Operator.IN, values=tuple(dict.fromkeys(some)))
    flag = msgspec.structs.replace(
        made.flag,
        type="string",
        variations=(Variation(key="off", value="off"), *values),
        rules=(Rule(id="some", clauses=(clause,), serve=Serve(variation="v-0")),),
        otherwise=Serve(variation="off"),
    )
    return msgspec.structs.replace(
        made,
        flag=flag,
        owner=said,
        purpose=said,
        workflow=said,
        kind=Kind.TEMPORARY,
        permanent_because="",
        review_date=date(2026, 12, 15),
        cleanup_condition=said,
    )


class Told:
    """The control plane, its doors, the case, and how often each place was written to."""

    def __init__(self, folder: Path, texts: Sequence[str]) -> None:
        self.texts, self.folder = tuple(texts), folder
        self.written: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.failures: list[str] = []
        flags = [flag_that_says(number, some) for number, some in enumerate(batched(self.texts, 60))]
        self.world = World(folder, support_control(50_000), plain_control("new_header"), *flags)
        self.before = standing(self.world)
        self._note("flag owner", "flag purpose", "flag workflow", "flag value", "flag cleanup condition", "rule value")
        self._write_runbooks()
        self.doors = Doors(self.world, runbooks=self.runbooks)
        self.secrets: list[str] = []
        self._batches = count(1)
        self._send_telemetry()
        self._send_spans_of_others()
        self._tell_of_changes()
        self.case = self._alert()
        self.work()

    # ------------------------------------------------------------ what comes in before triage

    def _note(self, *places: str, kept: int | None = None) -> None:
        for each in places:
            self.written[each] += len(self.texts) if kept is None else kept

    def answered(self, door: str, answer: Any) -> Any:
        """Look at an answer: taken, refused by name, or a failure of ours."""
        if answer.status_code >= 500:
            self.failures.append(f"{door}: {answer.status_code} {answer.text[:200]}")
        elif answer.status_code >= 400:
            self.refused[door] += 1
        return answer

    def _write_runbooks(self) -> None:
        """Each text as a step, a heading and a paragraph of a runbook that names the case."""
        home = self.folder / "runbooks"
        home.mkdir()
        for number, some in enumerate(batched(self.texts, 12)):
            body = "\n\n".join(f"## {(each.splitlines() or ['.'])[0]}\n\n{each}\n\n- {each}" for each in some)
            text = f"# Runbook {number}\n\n{FLAG}, support_assistant, answer_latency_ms\n\n{body}\n"
            (home / f"{number:04}.md").write_text(text, "utf-8", errors="replace")
        self.runbooks = FolderRunbooks(home)
        self._note("runbook step", "runbook heading", "runbook paragraph")

    def source(self, *scopes: Scope, kind: ActorKind = ActorKind.SERVICE) -> TestClient:
        """A holder of a new token. Its secret is remembered: nobody may ever read it."""
        made = self.doors.token(*scopes, kind=kind)
        self.secrets.append(made.headers["Authorization"].split()[1])
        return made

    def _send_telemetry(self) -> None:
        """Traffic whose candidate is slow in one region, each unit with a text in its context; and records of texts."""
        self.world.clock.forward(minutes=31)
        snapshot, here = self.world.snapshot, Where(project=PROJECT, environment=ENVIRONMENT)
        for some in batched(range(UNITS), 2_000):
            exposures, metrics = [], []
            for number in some:
                text = self.texts[number % len(self.texts)]
                one, values = self._conversation(snapshot, number, text)
                exposures.append(one)
                metrics += values
            batch = TelemetryBatch(
                batch_id=f"traffic-{next(self._batches)}", exposures=tuple(exposures), metrics=tuple(metrics)
            )
            self.world.telemetry.add(here, batch, source="app", received_at=self.world.clock())
        self._note("context attribute name", "context attribute value", "metric attribute")
        self._send_records()

    def _conversation(self, snapshot: Any, number: int, text: str) -> tuple[Exposure, list[MetricEvent]]:
        unit, at = f"c-{number}", self.world.clock() - timedelta(minutes=30) * (1 - number / UNITS)
        region = HARMED if number % 2 else "eu"
        context = {"conversation": unit, "plan": ("pro", "enterprise", "free")[number // 2 % 3], "region": region}
        context |= {"remark": text, (text[:256] or "x"): text}
        found = evaluate(snapshot, FLAG, context)
        late = found.variation != "baseline" and region == HARMED and number % 5 < 3
        exposure = Exposure(
            flag=FLAG, rule=found.rule, revision=found.revision, assigned=found.variation or "",
            served=found.variation or "", unit=unit, unit_name="conversation", at=at, reason=str(found.reason),
            context=context,
        )  # fmt: skip
        value = 4_000.0 if late or number % 25 == 0 else 900.0 + number % 700
        said = {(text[:256] or "x"): text}
        metric = MetricEvent(
            metric="answer_latency_ms", value=value, unit=unit, unit_name="conversation",
            at=at + timedelta(seconds=1), attributes=said,
        )  # fmt: skip
        return exposure, [metric]

    def _send_records(self) -> None:
        """Records that consist of the text: of flags that there are not, of ours, of metrics that nobody asked for."""
        at = (self.world.clock() - timedelta(minutes=3)).isoformat()
        client = self.source(Scope.TELEMETRY_WRITE)
        for some in batched(self.texts, 400):
            names = [each[:256] or "x" for each in some]
            foreign = [
                {"flag": each, "rule": each, "revision": 1, "assigned": each, "served": each, "unit": each,
                 "unit_name": each, "reason": each, "at": at, "context": {each: each}}
                for each in names
            ]  # fmt: skip
            ours = [
                {"flag": FLAG, "rule": "pro-10", "revision": 1, "assigned": each, "served": each, "unit": each,
                 "unit_name": "conversation", "reason": "SPLIT", "at": at, "context": {"plan": each}}
                for each in names
            ]  # fmt: skip
            metrics = [
                {"metric": each, "value": 1e6, "unit": each, "unit_name": each, "flag": each, "variation": each,
                 "at": at, "attributes": {each: each}}
                for each in names
            ]  # fmt: skip
            changes = [
                {"kind": "other", "title": each, "service": each, "at": at, "url": each, "attributes": {each: each}}
                for each in names
            ]
            for kind, records in (("exposures", [*foreign, *ours]), ("metrics", metrics), ("changes", changes)):
                body = {"batch_id": f"records-{next(self._batches)}", kind: records}
                answer = client.post("/api/v1/telemetry", json=body)
                self.answered("telemetry", answer)
        for each in ("flag", "rule", "assigned", "served", "unit", "unit name", "reason", "context"):
            self._note(f"exposure {each}")
        self._note("assigned of a known flag", "unit of a known flag")
        self._note(*(f"metric {each}" for each in ("name", "unit", "unit name", "flag", "variation", "attribute")))
        self._note(*(f"change {each}" for each in ("title", "service", "address", "attribute")))

    def _send_spans_of_others(self) -> None:
        """OTLP: evaluations whose flag, variant, reason, unit and attributes are the text, and that of ours with it."""
        client, nanos = self.source(Scope.TELEMETRY_WRITE), str(int(self.world.clock().timestamp() - 60) * 10**9)
        for some in batched(self.texts, 200):
            records = []
            for each in some:
                names = ("key", "result.variant", "result.reason", "context.id")
                said = {f"feature_flag.{name}": each or "x" for name in names} | {each or "x": each}
                for known in ({}, {"feature_flag.key": FLAG}):
                    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in (said | known).items()]
                    records.append(
                        {"timeUnixNano": nanos, "eventName": "feature_flag.evaluation", "attributes": attributes}
                    )
            body = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
            self.answered("OTLP", client.post("/otlp/v1/logs", json=body))
        self._note(*(f"OTLP {each}" for each in ("flag", "variant", "unit", "reason", "attribute", "attribute name")))

    def _tell_of_changes(self) -> None:
        """CloudEvents whose every word is the text."""
        client, at = self.source(Scope.TELEMETRY_WRITE), (self.world.clock() - timedelta(minutes=5)).isoformat()
        for number, some in enumerate(batched(self.texts, 300)):
            events = [
                {"specversion": "1.0", "id": f"{number}-{index} {each}", "source": each or "x", "type": each or "x",
                 "subject": each or "x", "time": at,
                 "data": {"title": each, "summary": each, "service": each, "url": each}}
                for index, each in enumerate(some)
            ]  # fmt: skip
            headers = {"Content-Type": "application/cloudevents-batch+json"}
            answer = client.post("/changes/v1/cloudevents", content=json.dumps(events), headers=headers)
            self.answered("CloudEvents", answer)
        self._note(*(f"event {each}" for each in ("id", "source", "type", "subject", "title", "summary", "service")))

    def _alert(self) -> str:
        """Alertmanager groups: the text is the name, a label, its name, each annotation, the severity, the address."""
        client, found = self.source(Scope.SIGNALS_WRITE), set()
        starts = self.world.clock().isoformat()
        for number, some in enumerate(batched(self.texts, 200)):
            alerts = [
                {"status": "firing", "startsAt": starts, "fingerprint": f"{number}-{index}", "generatorURL": each,
                 "labels": {"workflow": "support_assistant", "alertname": each, "severity": each, "approved_by": each,
                            "summary": each, "metric": each, "flag": each, "service": each, (each or "x"): each},
                 "annotations": {"summary": each, "description": each, "runbook_url": each, (each or "x"): each}}
                for index, each in enumerate(some)
            ]  # fmt: skip
            body = {"version": "4", "status": "firing", "receiver": "x", "alerts": alerts}
            answer = self.answered("Alertmanager", client.post("/signals/v1/alertmanager", json=body))
            found |= {each["case"] for each in answer.json()["results"]}
        assert len(found) == 1, "one workflow, one case"
        self._note(*(f"alert {each}" for each in ("name", "severity", "label", "label name", "address")))
        self._note(*(f"label {each}" for each in ("metric", "flag", "service", "summary", "approved_by")))
        self._note(*(f"annotation {each}" for each in ("summary", "description", "runbook", "name")))
        return str(found.pop())

    def work(self) -> None:
        """Do every job that is due, with the runbooks at hand."""
        jobs = jobs_of(self.world.store, self.world.telemetry, runbooks=self.runbooks)
        worker = Worker(self.world.store, self.world.clock, jobs, "test")
        for _ in range(50):
            if not worker.step():
                return

    # ------------------------------------------------------------ what comes in afterwards

    def talk(self) -> None:
        """Notes, findings, failures, drafts and calls of tools: what those say who may read and draft."""
        self._write_notes()
        self._submit_findings()
        self._draft()
        asyncio.run(self._call_tools())
        self.work()

    def _write_notes(self) -> None:
        clients = {"note of a person": self.doors.person("ines"), "note of an agent": self.agent()}
        for place, client in clients.items():
            for some in packed(self.texts, 4000):
                answer = client.post(f"/api/v1/cases/{self.case}/notes", json={"text": some or "."})
                self.answered(place, answer)
            self._note(place)

    def agent(self) -> TestClient:
        """An agent, with all that agents may have."""
        return self.source(*AGENT_SCOPES, kind=ActorKind.AGENT)

    def _submit_findings(self) -> None:
        agents = (self.agent() for _ in count())
        client = next(agents)
        for number, some in enumerate(packed(self.texts, 1000)):
            if number % 5 == 0:
                client = next(agents)
            body = claim(some, operations=[REDUCE_JSON] if number % 25 == 0 else [])
            self.answered("finding", client.post(f"/api/v1/cases/{self.case}/findings", json=body))
        self._note("finding summary", "finding reason", "finding expected effect", "finding because")
        own = [each for each in self.texts if len(each) < 400][-200:]
        for some in batched(packed(own, 400), 20):
            client = next(agents)
            for each in some:
                body = {"why": "malformed", "summary": each or ".", "provenance": provenance("m")}
                self.answered("failure", client.post(f"/api/v1/cases/{self.case}/findings/failures", json=body))
        self._note("failure summary", kept=len(own))

    def _draft(self) -> None:
        agents = (self.agent() for _ in count())
        client = next(agents)
        for number, some in enumerate(packed(self.texts, 4000)):
            if number % 20 == 0:
                client = next(agents)
            body = {
                **PLACE, "operations": [REDUCE_JSON], "reason": some or ".", "expected_effect": some[:2000],
                "title": some[:200], "case": self.case,
            }  # fmt: skip
            self.answered("draft", client.post("/api/v1/proposals", json=body))
        self._note("draft reason")

    async def _call_tools(self) -> None:
        """Each text as a key, and as name and value of a context; all of them as notes."""
        secret = self.agent().headers["Authorization"].split()[1]
        transport = httpx.ASGITransport(self.doors.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://twokey.test") as http:
            ask = ApiAsk(http, secret)
            server = create_server(lambda: ask, lambda: {str(each) for each in AGENT_SCOPES})
            async with Client(server) as client:
                for each in self.texts:
                    await self._call(client, "get_flag", PLACE | {"key": each})
                for some in packed(self.texts, 4000):
                    await self._call(client, "annotate_case", {"id": self.case, "text": some or "."})
                for some in batched(self.texts, 100):
                    context = {f"{index} {each}": each for index, each in enumerate(some)}
                    await self._call(client, "explain_evaluation", PLACE | {"key": FLAG, "context": context})
                for each in [each.strip()[:200] for each in self.texts if each.strip()][::100]:
                    await self._call(client, "search_runbooks", {"words": each})
                for some in list(packed(self.texts, 1000))[:5]:
                    changed = [REDUCE_JSON | {"rule": some}]
                    await self._call(client, "preview_change", PLACE | {"operations": changed})
                    said = claim(some) | {"id": self.case, "model": some[:200], "provider": some[:200], "asked": some}
                    await self._call(client, "submit_finding", {key: said[key] for key in said if key != "provenance"})
        self._note("tool: key", "tool: note", "tool: context name", "tool: context value")

    async def _call(self, client: Client, name: str, arguments: dict[str, Any]) -> None:
        try:
            result = await client.call_tool(name, arguments)
        except MCPError:
            self.refused[f"tool {name}"] += 1
            return
        text = " ".join(getattr(each, "text", "") for each in result.content)
        if result.is_error:
            self.refused[f"tool {name}"] += 1
            if "answered with 5" in text or "Internal" in text:
                self.failures.append(f"tool {name}: {text[:200]}")

    # ------------------------------------------------------------ what came of it

    def finding(self) -> Finding:
        """The analyst's finding."""
        with self.world.store.read() as uow:
            return uow.findings.where(case=self.case, author=ANALYST.id, limit=1)[0]

    def close(self) -> None:
        self.world.close()


def provenance(model: str) -> dict[str, Any]:
    return {"provider": model[:200] or "x", "model": model[:200] or "x", "prompt": DIGEST, "answer": DIGEST}


def claim(text: str, operations: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """A finding that says the text wherever a finding says something."""
    said = text or "."
    return {
        "summary": said, "reason": said, "expected_effect": said, "title": said[:200],
        "recommendation": "reduce_percentage", "confidence": 1.0, "provenance": provenance(said),
        "suspects": [{"flag": FLAG, "variation": "reranker_v2", "confidence": 1.0, "because": said,
                      "cohort": {said[:400]: [said[:400]]}}],
        "citations": [{"evidence": said[:200], "path": said[:400], "value": said[:400], "says": said[:400]}],
        "operations": list(operations),
    }  # fmt: skip
