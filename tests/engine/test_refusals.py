"""Every way in which a document can be unsound: refused, with the place by its keys, the problem, and the way out."""

import copy
import json
import re
from typing import Any

import pytest

from tests.engine.documents import DOCUMENT, clause, other
from twokey.engine import Invalid, Snapshot

PROFILE = ["flags", 1]
PRO = [*PROFILE, "rules", 1]
CLAUSE = [*PRO, "clauses", 0]
SEGMENT = ["segments", 0]
MISSING = object()
ROLLOUT = [*PRO, "serve", "rollout"]
VALUES = "flag answer_profile, rule pro-10, clause 1: values"
WEIGHTS = "flag answer_profile, rule pro-10: weights"


def document_with(path: list[Any], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def chain_of_flags(length: int) -> list[dict[str, Any]]:
    return [other(f"f{i:03}", *([f"f{i - 1:03}"] if i else [])) for i in range(length)]


def leaning_segment(key: str, on: str) -> dict[str, Any]:
    return {"key": key, "rules": [{"clauses": [clause("in_segment", on)]}]}


REFUSED: dict[str, tuple[list[Any], Any, str, str]] = {
    # what is tried: (place, value, field named, words of the problem)
    "unknown format": (["format"], "twokey/9", "snapshot: format", "`twokey/9` is not known"),
    "format missing": (["format"], MISSING, "snapshot: format", "it is missing"),
    "unknown field of the snapshot": (["flagz"], [], "snapshot: flagz", "`flagz` is not a known field"),
    "project that is no key": (["project"], "a b", "snapshot: project", "`a b` is not a key"),
    "environment that is no key": (["environment"], "", "snapshot: environment", "is not a key"),
    "negative revision": (["revision"], -1, "snapshot: revision", "`-1` is negative"),
    "revision as text": (["revision"], "1", "snapshot: revision", "`'1'` does not fit"),
    "flags that are no list": (["flags"], 5, "snapshot: flags", "`5` does not fit"),
    "flag that is no object": (["flags", 0], "x", "flag 1: value", "`x` does not fit"),
    "snapshot digest that does not fit": (["digest"], "sha256:00", "snapshot: digest", "`sha256:00` does not fit"),
    "flag digest that does not fit": ([*PROFILE, "digest"], "sha256:00", "flag answer_profile: digest", "`sha256:00`"),
    "segment digest that does not fit": (
        [*SEGMENT, "digest"],
        "x",
        "segment internal-staff: digest",
        "`x` does not fit",
    ),
    "flag listed twice": (
        [*PROFILE, "key"],
        "support_assistant",
        "snapshot: flags",
        "`support_assistant` is listed twice",
    ),
    "unknown field of a flag": (
        [*PROFILE, "colour"],
        1,
        "flag answer_profile: colour",
        "`colour` is not a known field",
    ),
    "flag without a key": ([*PROFILE, "key"], MISSING, "flag 2: key", "it is missing"),
    "flag key with a space": ([*PROFILE, "key"], "a b", "flag `a b`: key", "`a b` is not a key"),
    "flag key with a newline at its end": ([*PROFILE, "key"], "ab\n", "flag `'ab\\n'`: key", "is not a key"),
    "flag key that is too long": ([*PROFILE, "key"], "k" * 129, f"flag `{'k' * 77}...`: key", "is not a key"),
    "flag key beyond ASCII": ([*PROFILE, "key"], "é", "flag `é`: key", "`é` is not a key"),
    "flag revision below 0": ([*PROFILE, "revision"], -3, "flag answer_profile: revision", "`-3` is negative"),
    "unknown type": ([*PROFILE, "type"], "text", "flag answer_profile: type", "`text` is not known"),
    "unknown bucketing": ([*PROFILE, "bucketing"], "crc", "flag answer_profile: bucketing", "`crc` is not known here"),
    "empty salt": ([*PROFILE, "salt"], "", "flag answer_profile: salt", "is not a salt"),
    "salt with NUL": ([*PROFILE, "salt"], "a\0b", "flag answer_profile: salt", "is not a salt"),
    "empty unit": ([*PROFILE, "unit"], "", "flag answer_profile: unit", "is not an attribute's name"),
    "no variations": ([*PROFILE, "variations"], [], "flag answer_profile: variations", "there are none"),
    "variation twice": (
        [*PROFILE, "variations", 1, "key"],
        "baseline",
        "flag answer_profile: variations",
        "`baseline`",
    ),
    "variation key that is none": (
        [*PROFILE, "variations", 1, "key"],
        "-x",
        "flag answer_profile, variation `-x`: key",
        "`-x` is not a key",
    ),
    "value of another type": (
        [*PROFILE, "variations", 0, "value"],
        1,
        "flag answer_profile, variation baseline: value",
        "`1` is not of type string",
    ),
    "text with half a surrogate pair": (
        [*PROFILE, "variations", 0, "value"],
        "\ud800",
        "flag answer_profile: text",
        "half of a surrogate pair",
    ),
    "unknown baseline": ([*PROFILE, "baseline"], "nope", "flag answer_profile: baseline", "`nope` is not a variation"),
    "unknown prerequisite": (
        [*PROFILE, "prerequisites", 0, "flag"],
        "nope",
        "flag answer_profile, prerequisite nope: flag",
        "`nope` does not exist",
    ),
    "prerequisite that is no key": (
        [*PROFILE, "prerequisites", 0, "flag"],
        "",
        "flag answer_profile, prerequisite `''`: flag",
        "is not a key",
    ),
    "prerequisite on no variation": (
        [*PROFILE, "prerequisites", 0, "variations"],
        [],
        "flag answer_profile, prerequisite support_assistant: variations",
        "there are none",
    ),
    "prerequisite on an unknown variation": (
        [*PROFILE, "prerequisites", 0, "variations"],
        ["maybe"],
        "flag answer_profile, prerequisite support_assistant: variations",
        "`maybe` is not a variation of that flag",
    ),
    "prerequisite listed twice": (
        [*PROFILE, "prerequisites"],
        [{"flag": "support_assistant", "variations": ["on"]}] * 2,
        "flag answer_profile: prerequisites",
        "`support_assistant` is listed twice",
    ),
    "prerequisite on itself": (
        [*PROFILE, "prerequisites"],
        [{"flag": "answer_profile", "variations": ["baseline"]}],
        "flag answer_profile: prerequisites",
        "`answer_profile -> answer_profile` leans on itself",
    ),
    "prerequisites in a circle": (
        ["flags", 0, "prerequisites"],
        [{"flag": "answer_profile", "variations": ["baseline"]}],
        "flag answer_profile: prerequisites",
        "`answer_profile -> support_assistant -> answer_profile` leans on itself",
    ),
    "chain of prerequisites that is too long": (
        ["flags"],
        chain_of_flags(70),
        "flag f064: prerequisites",
        "more than 64",
    ),
    "target for an unknown variation": (
        [*PROFILE, "targets", 0, "variation"],
        "nope",
        "flag answer_profile, target nope: variation",
        "`nope` is not a variation",
    ),
    "unit in two targets": (
        [*PROFILE, "targets"],
        [{"variation": "reranker", "units": ["u"]}, {"variation": "baseline", "units": ["x", "u"]}],
        "flag answer_profile: targets",
        "`u` is listed twice",
    ),
    "two targets for one variation": (
        [*PROFILE, "targets"],
        [{"variation": "reranker", "units": ["u"]}, {"variation": "reranker", "units": ["x"]}],
        "flag answer_profile: targets",
        "`reranker` is listed twice",
    ),
    "rule twice": ([*PRO, "id"], "internal", "flag answer_profile: rules", "`internal` is listed twice"),
    "rule id that is no key": ([*PRO, "id"], "pro 10", "flag answer_profile, rule `pro 10`: id", "is not a key"),
    "unknown field of a rule": (
        [*PRO, "when"],
        1,
        "flag answer_profile, rule pro-10: when",
        "`when` is not a known field",
    ),
    "unknown operator": (
        [*CLAUSE, "operator"],
        "is_one_of",
        "flag answer_profile, rule pro-10, clause 1: operator",
        "`is_one_of` is not known",
    ),
    "clause without an attribute": (
        [*CLAUSE, "attribute"],
        "",
        "flag answer_profile, rule pro-10, clause 1: attribute",
        "is not an attribute's name",
    ),
    "clause without values": (
        [*CLAUSE, "values"],
        [],
        VALUES,
        "`in` was given no values",
    ),
    "null among values": (
        [*CLAUSE, "values", 1],
        None,
        "flag answer_profile, rule pro-10, clause 1, value 2: value",
        "`null` does not fit",
    ),
    "exists with values": (
        CLAUSE,
        clause("exists", True),
        VALUES,
        "`exists` was given 1 values",
    ),
    "number operator with text": (
        CLAUSE,
        clause("lt", "5"),
        VALUES,
        "`'5'`",
    ),
    "number operator with true": (
        CLAUSE,
        clause("lt", True),
        VALUES,
        "`true`",
    ),
    "text operator with a number": (
        CLAUSE,
        clause("contains", 5),
        VALUES,
        "`contains` cannot compare with `5`",
    ),
    "time without an offset": (
        CLAUSE,
        clause("before", "2026-01-01T00:00:00"),
        VALUES,
        "`before` cannot compare",
    ),
    "junk version": (
        CLAUSE,
        clause("semver_gt", "latest"),
        VALUES,
        "`latest`",
    ),
    "network with host bits": (
        CLAUSE,
        clause("in_cidr", "10.0.0.1/8"),
        VALUES,
        "10.0.0.1/8",
    ),
    "pattern that could take years": (
        CLAUSE,
        clause("matches", "(a+)+$"),
        VALUES,
        "`(a+)+$` can be tried in too many ways",
    ),
    "pattern that is a number": (
        CLAUSE,
        clause("matches", 1),
        VALUES,
        "`1`",
    ),
    "integer that JSON cannot carry": (CLAUSE, clause("lt", 2**53 + 1), "flag answer_profile: number", "exactly"),
    "unknown segment": (
        CLAUSE,
        clause("not_in_segment", "nope"),
        VALUES,
        "segment `nope` does not exist",
    ),
    "rule that serves an unknown variation": (
        [*PRO, "serve"],
        {"variation": "nope"},
        "flag answer_profile, rule pro-10: variation",
        "`nope` is not a variation",
    ),
    "rule that serves nothing": ([*PRO, "serve"], {}, "flag answer_profile, rule pro-10: serve", "neither is given"),
    "otherwise that serves two things": (
        [*PROFILE, "otherwise"],
        {"variation": "baseline", "rollout": {"weights": [["baseline", 100_000]]}},
        "flag answer_profile: otherwise",
        "both are given",
    ),
    "weights that do not sum up": (
        [*ROLLOUT, "weights"],
        [["reranker", 10_000], ["baseline", 80_000]],
        WEIGHTS,
        "they sum to `90000`",
    ),
    "no weights": (
        [*ROLLOUT, "weights"],
        [],
        WEIGHTS,
        "they sum to `0`",
    ),
    "negative weight": (
        [*ROLLOUT, "weights"],
        [["reranker", -1], ["baseline", 100_001]],
        WEIGHTS,
        "`-1` is not a weight",
    ),
    "weight for an unknown variation": (
        [*ROLLOUT, "weights", 0, 0],
        "nope",
        WEIGHTS,
        "`nope` is not a variation",
    ),
    "variation weighted twice": (
        [*ROLLOUT, "weights"],
        [["reranker", 50_000], ["reranker", 50_000]],
        WEIGHTS,
        "`reranker` is listed twice",
    ),
    "weight with a fraction": (
        [*ROLLOUT, "weights", 0, 1],
        0.5,
        "flag answer_profile, rule pro-10, weight 1, item 2: value",
        "`0.5` does not fit",
    ),
    "pair of weights cut short": (
        [*ROLLOUT, "weights", 0],
        ["reranker"],
        "flag answer_profile, rule pro-10, weight 1: value",
        "does not fit",
    ),
    "rollout with an empty unit": (
        [*ROLLOUT, "unit"],
        "",
        "flag answer_profile, rule pro-10: unit",
        "is not an attribute's name",
    ),
    "rollout with an empty salt": (
        [*ROLLOUT, "salt"],
        "",
        "flag answer_profile, rule pro-10: salt",
        "is not a salt",
    ),
    "segment key that is none": ([*SEGMENT, "key"], "a/b", "segment `a/b`: key", "`a/b` is not a key"),
    "segment twice": (["segments"], [{"key": "s"}, {"key": "s"}], "snapshot: segments", "`s` is listed twice"),
    "unit included twice": (
        [*SEGMENT, "included"],
        ["u", "u"],
        "segment internal-staff: included",
        "`u` is listed twice",
    ),
    "unit excluded twice": (
        [*SEGMENT, "excluded"],
        ["x", "x"],
        "segment internal-staff: excluded",
        "`x` is listed twice",
    ),
    "unit in and out": (
        [*SEGMENT, "excluded"],
        ["u-1"],
        "segment internal-staff: excluded",
        "`u-1` is included as well",
    ),
    "bad clause of a segment": (
        [*SEGMENT, "rules", 0, "clauses", 0, "values"],
        [],
        "segment internal-staff, rule 1, clause 1: values",
        "no values",
    ),
    "segment on an unknown segment": (
        [*SEGMENT, "rules", 0, "clauses", 0],
        clause("in_segment", "nope"),
        "segment internal-staff, rule 1, clause 1: values",
        "segment `nope` does not exist",
    ),
    "segments in a circle": (
        ["segments"],
        [DOCUMENT["segments"][0], leaning_segment("b", "c"), leaning_segment("c", "b")],
        "segment b: rules",
        "`b -> c -> b` leans on itself",
    ),
    "chain of segments that is too long": (
        ["segments"],
        [*DOCUMENT["segments"], {"key": "s100"}, *(leaning_segment(f"s{i}", f"s{i - 1}") for i in range(101, 170))],
        "segment s164: rules",
        "more than 64",
    ),
}


@pytest.mark.parametrize(("path", "value", "field", "problem"), REFUSED.values(), ids=REFUSED)
def test_an_unsound_document_is_refused_with_place_problem_and_way_out(
    path: list[Any], value: Any, field: str, problem: str
) -> None:
    document = document_with(path, value)
    with pytest.raises(Invalid) as caught:
        Snapshot.from_json(document)
    error = caught.value
    assert error.field == field
    assert problem in error.problem
    assert error.accepted
    assert str(error) == f"{error.field}: {error.problem}; accepted: {error.accepted}"
    if "\\ud800" not in json.dumps(document):
        with pytest.raises(Invalid, match=re.escape(str(error))):
            Snapshot.from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b"\xff",
        b"[" * 100_000,
        "\ud800",
        b'{"a":"\\ud800"}',
        5,
        None,
        {1: 2},
        {},
        b"{}x",
    ],
    ids=lambda data: repr(data)[:12],
)
def test_what_is_no_document_at_all_is_refused_as_such(data: Any) -> None:
    with pytest.raises(Invalid) as caught:
        Snapshot.from_json(data)
    assert caught.value.field.startswith("snapshot")
