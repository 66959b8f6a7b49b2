"""Triage: the built-in analyst, which turns collected evidence into a finding and the narrowest draft."""

from twokey.domain.triage.analyst import AUTHOR, analyse
from twokey.domain.triage.collected import Analysis, Collected, Measurement, Observed, Version
from twokey.domain.triage.missing import gaps
from twokey.domain.triage.screening import FEW, Shortlist, asked, comparing, shortlist
from twokey.domain.triage.suspicion import WEIGHTS, separates, suspicions, word
from twokey.domain.triage.timing import started

__all__ = [
    "AUTHOR",
    "FEW",
    "WEIGHTS",
    "Analysis",
    "Collected",
    "Measurement",
    "Observed",
    "Shortlist",
    "Version",
    "analyse",
    "asked",
    "comparing",
    "gaps",
    "separates",
    "shortlist",
    "started",
    "suspicions",
    "word",
]
