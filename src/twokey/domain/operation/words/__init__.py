"""Operations and targeting in words, for people."""

from twokey.domain.operation.words.lines import Line, Marker, diff_lines, rule_lines
from twokey.domain.operation.words.phrases import clause_text, clauses_text, percent, serve_text
from twokey.domain.operation.words.sentences import describe

__all__ = [
    "Line",
    "Marker",
    "clause_text",
    "clauses_text",
    "describe",
    "diff_lines",
    "percent",
    "rule_lines",
    "serve_text",
]
