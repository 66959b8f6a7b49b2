"""The questions in ClickHouse's own SQL. Every value is a typed parameter of the server's.

Rules kept here:
- they answer what the embedded store's statements answer, and one conformance suite holds both;
- a unit's encounters are gathered into one array, so that who belongs where is read off in their order;
- stages and guardrails are arrays in the question; a number of 0 means none of them.
"""

from __future__ import annotations

from twokey.adapters.telemetry.members import DRAWN

HERE = "e.project = {project:String} AND e.environment = {environment:String}"
WHEN = "e.happened >= {since:Int64} AND e.happened < {until:Int64}"
FLAG = "e.flag = {flag:String}"

_STAGE = """arrayFirstIndex((r, f, l) -> r = e.rule AND e.revision >= f AND e.revision <= l,
       {plan_rule:Array(String)}, {plan_first:Array(Int64)}, {plan_last:Array(Int64)})"""

_MET = f"""
SELECT e.who AS who, e.happened AS happened, e.revision AS revision, if({DRAWN}, {_STAGE}, 0) AS stage,
       toString(e.assigned) AS assigned, toString(e.served) AS served, e.context AS context
FROM exposures e WHERE {HERE} AND {FLAG} AND {WHEN}
UNION ALL
SELECT e.who, e.happened, e.revision, {_STAGE} AS stage, toString(e.variation), toString(e.variation), ''
FROM metrics e
WHERE {HERE} AND {FLAG} AND {WHEN} AND e.variation != '' AND e.unit_name != 'observation' AND stage > 0
    AND e.who NOT IN (SELECT e.who FROM exposures e WHERE {HERE} AND {FLAG} AND {WHEN})"""  # noqa: S608 - own text

BY_PLANS = f"""
SELECT who, stage, assigned, entered, left_at, context, fell, rule, first_revision, last_revision,
       {{arm_candidate:Array(Int64)}}[arm] AS candidate, '' AS cohort
FROM (
    SELECT who, entry.3 AS stage, entry.4 AS assigned, entry.1 AS entered, entry.6 AS context,
           if(empty(leaving), {{until:Int64}}, arrayMin(x -> x.1, leaving)) AS left_at,
           notEmpty(falling) AND arrayMin(x -> x.1, falling) < left_at AS fell,
           {{plan_rule:Array(String)}}[stage] AS rule, {{plan_first:Array(Int64)}}[stage] AS first_revision,
           {{plan_last:Array(Int64)}}[stage] AS last_revision,
           arrayFirstIndex((s, v) -> s = stage AND v = assigned,
               {{arm_stage:Array(Int64)}}, {{arm_variation:Array(String)}}) AS arm
    FROM (
        SELECT who, groupArray((happened, revision, stage, assigned, served, context)) AS runs,
               arraySort(arrayFilter(x -> x.3 > 0, runs))[1] AS entry,
               arrayFilter(x -> x.1 >= entry.1 AND (x.3 != entry.3 OR x.4 != entry.4), runs) AS leaving,
               arrayFilter(x -> x.1 >= entry.1 AND x.5 != x.4 AND x.3 = entry.3 AND x.4 = entry.4, runs) AS falling
        FROM ({_MET}) GROUP BY who HAVING arrayExists(x -> x.3 > 0, runs)
    )
) WHERE arm > 0"""  # noqa: S608 - own text

_ONE_ARM = """1 AS stage, '' AS assigned, {entered} AS entered, {{until:Int64}} AS left_at, '' AS context,
       {fell} AS fell, '' AS rule, toInt64(0) AS first_revision, toInt64(0) AS last_revision,
       toInt64(1) AS candidate, '' AS cohort"""

EXPOSED = f"""
SELECT e.who AS who, {_ONE_ARM.format(entered="min(e.happened)", fell="max(e.served != e.assigned)")}
FROM exposures e
WHERE {HERE} AND {FLAG} AND {WHEN} AND ({{any:UInt8}} = 1 OR has({{assigned:Array(String)}}, e.assigned))
GROUP BY who"""  # noqa: S608 - own text

EVERYBODY = f"""
SELECT DISTINCT e.who AS who, {_ONE_ARM.format(entered="{since:Int64}", fell="0")}
FROM metrics e WHERE {HERE} AND e.metric = {{of:String}} AND e.unit_name != 'observation' AND {WHEN}"""  # noqa: S608

_COHORT = """if(JSONType(context, {attribute:String}) = 'String', JSONExtractString(context, {attribute:String}),
           if(JSONHas(context, {attribute:String}), JSONExtractRaw(context, {attribute:String}), ''))"""


def by_cohort(members: str) -> str:
    """The members with one of the most frequent values of an attribute, as their cohort."""
    known = f"SELECT * REPLACE ({_COHORT} AS cohort) FROM ({members})"  # noqa: S608 - own text
    return f"""
SELECT * FROM ({known}) WHERE cohort IN (
    SELECT cohort FROM ({known}) WHERE cohort != '' GROUP BY cohort
    ORDER BY count() DESC, cohort LIMIT {{values:Int64}})"""  # noqa: S608


def by_flag(members: str) -> str:
    """The members that met another flag as well, its first variation as their cohort."""
    return f"""
SELECT m.* REPLACE (o.first AS cohort) FROM ({members}) m INNER JOIN (
    SELECT e.who AS who, argMin(toString(e.assigned), (e.happened, e.revision)) AS first
    FROM exposures e WHERE {HERE} AND e.flag = {{other:String}} GROUP BY who
) o ON m.who = o.who"""  # noqa: S608 - own text


GLANCES = f"""
SELECT number, entry.2 AS rule, entry.3 AS assigned, count(), countIf(failed), avg(value), varSamp(value)
FROM (
    SELECT a.number AS number, l.who AS who, any(met.entry) AS entry,
           if(max(a.part) = 0, avg(l.value),
              sumIf(l.value, a.part = 1) / nullIf(sumIf(l.value, a.part = 2), 0)) AS value,
           max(if(a.higher = 1, l.value > a.failing, l.value < a.failing)) AS failed
    FROM (
        SELECT e.who AS who, toString(e.metric) AS metric, e.value AS value, e.happened AS happened
        FROM metrics e WHERE {HERE} AND {WHEN} AND has({{metric:Array(String)}}, e.metric)
    ) l INNER JOIN (
        SELECT e.who AS who, toString(e.flag) AS flag,
               min((e.happened, toString(e.rule), toString(e.assigned))) AS entry
        FROM exposures e WHERE {HERE} AND {WHEN} AND {DRAWN} AND has({{flags:Array(String)}}, e.flag)
        GROUP BY who, flag
    ) met ON l.who = met.who
    INNER JOIN (
        SELECT number, flag, metric, failing, higher, part FROM (SELECT 1)
        ARRAY JOIN {{number:Array(Int64)}} AS number, {{flags:Array(String)}} AS flag,
                   {{metric:Array(String)}} AS metric, {{failing:Array(Float64)}} AS failing,
                   {{higher:Array(UInt8)}} AS higher, {{part:Array(Int64)}} AS part
    ) a ON a.flag = met.flag AND a.metric = l.metric
    WHERE l.happened >= met.entry.1
    GROUP BY number, who
) WHERE value IS NOT NULL GROUP BY number, rule, assigned ORDER BY number, rule, assigned"""  # noqa: S608 - own text

EXPOSED_FLAGS = f"""
SELECT toString(e.flag) AS flag, e.rule AS rule, e.assigned AS assigned, e.served AS served, count(), uniqExact(e.who)
FROM exposures e WHERE {HERE} AND {WHEN} GROUP BY 1, 2, 3, 4 ORDER BY flag, rule, assigned, served"""  # noqa: S608

_CAME = f"{HERE} AND ({{flag:String}} = '' OR {FLAG}) AND {WHEN}"
CAME = f"SELECT uniqExact(e.who), count() FROM exposures e WHERE {_CAME}"  # noqa: S608 - own text
SAMPLE = f"""
SELECT argMax(e.context, (e.happened, e.context)) FROM exposures e WHERE {_CAME}
GROUP BY e.who ORDER BY e.who LIMIT {{sample:Int64}}"""  # noqa: S608 - own text


def sizes(members: str) -> str:
    """How many members each arm has, and how many of them fell back."""
    return f"SELECT cohort, stage, candidate, count(), countIf(fell) FROM ({members}) GROUP BY 1, 2, 3"  # noqa: S608


def _events(members: str) -> str:
    return f"""
SELECT arrayJoin(arrayFilter(k -> {{metric:Array(String)}}[k] = e.metric, arrayEnumerate({{metric:Array(String)}})))
           AS k,
       {{number:Array(Int64)}}[k] AS number, m.who AS who, m.cohort AS cohort, m.stage AS stage,
       m.candidate AS candidate, e.value AS value,
       if({{higher:Array(UInt8)}}[k] = 1, value > {{limit:Array(Float64)}}[k], value < {{limit:Array(Float64)}}[k])
           AS failed
FROM metrics e INNER JOIN ({members}) m ON e.who = m.who
WHERE {HERE} AND has({{metric:Array(String)}}, e.metric) AND {WHEN}
    AND if(e.flag = {{flag:String}} AND e.variation != '' AND e.revision >= 0 AND m.assigned != '',
           e.variation = m.assigned AND e.revision >= m.first_revision AND e.revision <= m.last_revision
               AND (e.rule = '' OR e.rule = m.rule),
           e.happened >= m.entered AND e.happened < m.left_at)"""  # noqa: S608 - own text


def figures(members: str) -> str:
    """Per guardrail and arm: units with the metric, failing ones, mean and sample variance of one number a unit."""
    return f"""
SELECT number, cohort, stage, candidate, count(), countIf(failed), avg(value), varSamp(value)
FROM (
    SELECT number, who, any(cohort) AS cohort, any(stage) AS stage, any(candidate) AS candidate, avg(value) AS value,
           max(failed) AS failed
    FROM ({_events(members)}) GROUP BY number, who
) GROUP BY 1, 2, 3, 4"""  # noqa: S608 - own text


def pairs(members: str) -> str:
    """Per ratio and arm: units with the denominator; means, sample variances and covariance of two numbers a unit."""
    return f"""
SELECT ratio, cohort, stage, candidate, count(), avg(over), avg(under), varSampStable(over), varSampStable(under),
       covarSampStable(over, under)
FROM (
    SELECT intDiv(number, 2) AS ratio, who, any(cohort) AS cohort, any(stage) AS stage, any(candidate) AS candidate,
           sumIf(value, number % 2 = 0) AS over, sumIf(value, number % 2 = 1) AS under
    FROM ({_events(members)}) GROUP BY ratio, who HAVING countIf(number % 2 = 1) > 0
) GROUP BY 1, 2, 3, 4"""  # noqa: S608 - own text


def quantiles(members: str, share: float) -> str:
    """Per guardrail and arm, the quantile over its events that people are shown."""
    return f"""
SELECT number, cohort, stage, candidate, quantileExactInclusive({share:.6f})(value)
FROM ({_events(members)}) GROUP BY 1, 2, 3, 4"""  # noqa: S608 - own text


def series(figure: str) -> str:
    """A metric's figure over time by the variation that each unit was assigned at that moment."""
    return f"""
SELECT intDiv(happened - {{since:Int64}}, {{width:Int64}}) AS bucket, if(own != '', own, assigned) AS variation,
       {figure}, count()
FROM (
    SELECT e.who AS who, e.happened AS happened, e.value AS value, toString(e.metric) AS metric,
           if(e.flag = {{flag:String}}, toString(e.variation), '') AS own
    FROM metrics e WHERE {HERE} AND has({{of:Array(String)}}, e.metric) AND {WHEN}
) l ASOF LEFT JOIN (
    SELECT e.who AS who, e.happened AS happened, argMin(toString(e.assigned), (-e.revision, e.assigned)) AS assigned
    FROM exposures e WHERE {HERE} AND {FLAG} AND e.happened < {{until:Int64}} GROUP BY who, happened
) met ON l.who = met.who AND l.happened >= met.happened
GROUP BY 1, 2 ORDER BY bucket, variation = '', variation"""  # noqa: S608 - own text


EXPOSURE_SERIES = f"""
SELECT intDiv(e.happened - {{since:Int64}}, {{width:Int64}}) AS bucket, e.assigned AS assigned, count(),
       uniqExact(e.who), countIf(e.served != e.assigned)
FROM exposures e WHERE {HERE} AND {FLAG} AND {WHEN} GROUP BY 1, 2 ORDER BY bucket, assigned"""  # noqa: S608

EXPOSURE_COUNTS = f"""
SELECT e.rule AS rule, e.assigned AS assigned, e.served AS served, count(), uniqExact(e.who)
FROM exposures e WHERE {HERE} AND {FLAG} AND {WHEN} GROUP BY 1, 2, 3 ORDER BY rule, assigned, served"""  # noqa: S608

PRESENCE = f"""
SELECT count(), uniqExact(l.who), countIf(joined), uniqExactIf(l.who, joined), arraySort(groupUniqArray(l.unit_name))
FROM (
    SELECT e.who AS who, toString(e.unit_name) AS unit_name, e.happened AS happened,
           e.unit_name != 'observation' AND e.flag = {{flag:String}} AND e.variation != '' AS own
    FROM metrics e WHERE {HERE} AND e.metric = {{of:String}} AND {WHEN}
) l LEFT JOIN (
    SELECT e.who AS who, min(e.happened) AS entered, 1 AS known FROM exposures e
    WHERE {HERE} AND {FLAG} AND e.happened < {{until:Int64}} GROUP BY who
) met ON l.who = met.who
ARRAY JOIN [own OR (met.known = 1 AND l.happened >= met.entered)] AS joined"""  # noqa: S608 - own text

METRICS = f"SELECT DISTINCT toString(e.metric) AS name FROM metrics e WHERE {HERE} AND {WHEN} ORDER BY name"  # noqa: S608

CONTEXTS = f"""
SELECT any(e.unit) AS unit, any(toString(e.unit_name)) AS unit_name,
       argMin(e.context, (-e.happened, -e.revision, e.context)), count(), max(e.happened) AS latest,
       argMin(toString(e.assigned), (-e.happened, -e.revision, e.context, toString(e.assigned)))
FROM exposures e WHERE {HERE} AND ({{flag:String}} = '' OR {FLAG}) AND {WHEN}
GROUP BY e.who ORDER BY latest DESC, unit_name, unit LIMIT {{most:Int64}}"""  # noqa: S608 - own text

CHANGES = f"""
SELECT e.id, e.source, toString(e.kind), e.title, e.service, e.happened, e.url, e.attributes FROM changes e
WHERE {HERE} AND {WHEN} ORDER BY e.happened, e.id LIMIT 1 BY e.id"""  # noqa: S608 - own text
