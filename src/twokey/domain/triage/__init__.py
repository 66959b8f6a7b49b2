"""Triage: the built-in analyst, which turns collected evidence into a finding and the narrowest draft."""

from twokey.domain.triage.analyst import AUTHOR, analyse
from twokey.domain.triage.collected import Analysis, Collected, Measurement, Observed, Version
from twokey.domain.triage.missing import gaps
from twokey.domain.triage.suspicion import WEIGHTS, separates, suspicions, word

__all__ = [
    "AUTHOR",
    "WEIGHTS",
    "Analysis",
    "Collected",
    "Measurement",
    "Observed",
    "Version",
    "analyse",
    "gaps",
    "separates",
    "suspicions",
    "word",
]
