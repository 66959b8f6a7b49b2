"""Triage: the built-in analyst, which turns collected evidence into a finding and the narrowest draft."""

from twokey.domain.triage.analyst import AUTHOR, analyse
from twokey.domain.triage.collected import Analysis, Collected, Measurement, Observed, Version
from twokey.domain.triage.missing import gaps
from twokey.domain.triage.mix import Came, Mix, compare
from twokey.domain.triage.screening import FEW, Shortlist, asked, comparing, shortlist
from twokey.domain.triage.suspicion import WEIGHTS, past_bar, separates, suspicions, word
from twokey.domain.triage.timing import edits, last_before, started

__all__ = [
    "AUTHOR",
    "FEW",
    "WEIGHTS",
    "Analysis",
    "Came",
    "Collected",
    "Measurement",
    "Mix",
    "Observed",
    "Shortlist",
    "Version",
    "analyse",
    "asked",
    "compare",
    "comparing",
    "edits",
    "gaps",
    "last_before",
    "past_bar",
    "separates",
    "shortlist",
    "started",
    "suspicions",
    "word",
]
