"""One case for every assistant; what a worker process does."""

from __future__ import annotations

from benchmarks.incidents import baselines, causes
from benchmarks.incidents.playing import play
from benchmarks.incidents.scoring import Score, score, score_answer
from benchmarks.incidents.service import make_service

ANALYST = "the built-in analyst"


def run(task: tuple[str, int]) -> dict[str, Score]:
    """One case's marks, by assistant."""
    kind, seed = task
    incident = causes.make(kind, seed, make_service(seed))
    with play(incident) as played:
        marks = {ANALYST: score(played)}
        for name, assistant in baselines.BASELINES.items():
            marks[name] = score_answer(played, assistant(played))
        return marks
