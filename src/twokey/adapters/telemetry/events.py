"""Which events are the members', in one statement's beginning."""

from __future__ import annotations

Key = tuple[str | None, int, int]
"""Cohort (where asked for), stage (number of the plan), arm (1 candidate, 0 baseline)."""

EVENTS = """
wanted AS (
    SELECT unnest($number::BIGINT[]) AS number, unnest($metric::VARCHAR[]) AS metric,
           unnest($limit::DOUBLE[]) AS failing, unnest($higher::BOOLEAN[]) AS higher
),
events AS (
    SELECT wanted.number, m.who, m.cohort, m.stage, m.candidate, e.value,
           CASE WHEN wanted.higher THEN e.value > wanted.failing ELSE e.value < wanted.failing END AS failed
    FROM {metrics} e JOIN wanted USING (metric) JOIN members m ON m.who = e.who
    WHERE e.project = $project AND e.environment = $environment AND e.happened >= $since AND e.happened < $until
        AND CASE WHEN e.flag = $flag AND e.variation IS NOT NULL AND e.revision IS NOT NULL AND m.assigned IS NOT NULL
                 THEN e.variation = m.assigned AND e.revision BETWEEN m.first_revision AND m.last_revision
                      AND (e.rule IS NULL OR e.rule IS NOT DISTINCT FROM m.rule)
                 ELSE e.happened >= m.entered AND e.happened < m.left_at END
)"""
"""For each numbered wish (`$number`, `$metric`, `$limit`, `$higher`), its metric's events while their units belong."""
