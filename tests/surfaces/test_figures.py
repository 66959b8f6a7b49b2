"""Figures for people say what they are compared with."""

from __future__ import annotations

import pytest

from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict, VerdictReason, VerdictStatus
from twokey.surfaces.http_api.figures import tile

LATENCY = Guardrail(key="p95", metric="latency_ms", kind=GuardrailKind.TAIL, limit=4000, unit_label="ms")
RATE = Guardrail(key="corrections", metric="correction", kind=GuardrailKind.RATE, limit=0.15)


def verdict(guardrail: Guardrail, value: float, other: float | None, *, observational: bool) -> Verdict:
    return Verdict(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        kind=guardrail.kind,
        status=VerdictStatus.HOLDING,
        reason=VerdictReason.HARM_EXCLUDED,
        sentence="",
        observational=observational,
        alpha=0.05,
        margin=0.25,
        limit=guardrail.limit,
        candidate_value=value,
        baseline_value=other,
        method="label",
    )


@pytest.mark.parametrize(
    ("guardrail", "value", "other", "observational", "words"),
    [
        (LATENCY, 6000.0, 3000.0, False, "+100 % against baseline"),
        (LATENCY, 3000.0, 6000.0, True, "-50 % against before"),
        (RATE, 0.09, 0.23, True, "-14.0 points against before"),
        (RATE, 0.23, 0.09, False, "+14.0 points against baseline"),
        (LATENCY, 3000.0, None, True, ""),
        (LATENCY, 3000.0, 0.0, False, ""),
    ],
)
def test_a_change_says_what_it_is_measured_against(
    guardrail: Guardrail, value: float, other: float | None, observational: bool, words: str
) -> None:
    assert tile(guardrail, verdict(guardrail, value, other, observational=observational), ()).change_text == words


def test_a_metric_that_is_not_joined_has_no_figure() -> None:
    shown = tile(RATE, verdict(RATE, 0.09, 0.23, observational=False), {"gap-not_joined-correction"})
    assert (shown.value, shown.text, shown.change_text, shown.state) == (None, "not joined", "", "gap")


def test_insights_say_who_met_a_flag_over_time_and_what_they_got_instead(server: Doors, world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(1000)
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags"
    mara = server.person("mara")
    shown = {each["guardrail"]: each for each in mara.get(f"{place}/{FLAG}/insights", params={"minutes": 60}).json()}
    assert list(shown) == ["evaluations", "units", "served_other"]
    lines = {line["variation"]: line["points"] for line in shown["units"]["lines"]}
    assert set(lines) == {"baseline", "reranker_v2"}
    assert sum(point["value"] for points in lines.values() for point in points) == 1000
    assert {point["value"] for line in shown["served_other"]["lines"] for point in line["points"]} == {0.0}
    assert mara.get(f"{place}/nobody/insights").status_code == 404


def test_a_chart_is_had_as_a_picture(server: Doors, world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(600)
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/{FLAG}"
    mara = server.person("mara")
    for guardrail in ("p95_latency", "units"):
        drawn = mara.get(f"{place}/chart.png?guardrail={guardrail}")
        assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
        assert drawn.content.startswith(b"\x89PNG")
    svg = mara.get(f"{place}/chart.svg?guardrail=p95_latency")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "reranker_v2" in svg.text
    assert mara.get(f"{place}/chart.png?guardrail=nothing").status_code == 404
    assert mara.get(f"{place}/chart.gif?guardrail=units").status_code == 422
