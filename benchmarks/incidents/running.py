"""One case for every assistant; what a worker process does."""

from __future__ import annotations

from benchmarks.incidents import baselines, causes, shop
from benchmarks.incidents.causes import Incident
from benchmarks.incidents.playing import play
from benchmarks.incidents.scoring import Score, score, score_answer
from benchmarks.incidents.service import make_service
from tests.support import nezha

ANALYST = "the built-in analyst"
Task = tuple[str, int]
Marks = dict[str, Score]


def incident(task: Task) -> Incident:
    """The case of that kind and seed."""
    kind, seed = task
    if kind not in shop.KINDS:
        return causes.make(kind, seed, make_service(seed))
    home = nezha.folder()
    if home is None:
        raise RuntimeError("needs the shared data `data/nezha`: set TWOKEY_SHARED to the folder that holds it")
    return shop.make(kind, seed, home)


def run(task: Task) -> tuple[Task, Marks]:
    """One case's marks, by assistant."""
    with play(incident(task)) as played:
        marks = {ANALYST: score(played)}
        for name, assistant in baselines.BASELINES.items():
            marks[name] = score_answer(played, assistant(played))
        return task, marks
