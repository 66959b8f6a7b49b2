"""Flag evaluation, pure: no input or output, clock, randomness or logging.

```python
from twokey.engine import Snapshot, evaluate, explain

snapshot = Snapshot.from_json(document)
resolution = evaluate(snapshot, "checkout", {"targetingKey": "u-7", "plan": "pro"})
print(resolution.value, resolution.reason, explain(snapshot, "checkout", {"targetingKey": "u-7"}).text())
```
"""

from twokey.engine.compiler import CompileFailure
from twokey.engine.errors import Invalid
from twokey.engine.evaluation import evaluate, explain
from twokey.engine.explanation import Explanation
from twokey.engine.flag import (
    TARGETING_KEY,
    WEIGHT_TOTAL,
    Clause,
    Flag,
    FlagType,
    Operator,
    Prerequisite,
    Rollout,
    Rule,
    Segment,
    SegmentRule,
    Serve,
    Target,
    Variation,
)
from twokey.engine.patch import Patch, apply_patch, carry_over, diff
from twokey.engine.resolution import Error, ErrorCode, Reason, Resolution
from twokey.engine.snapshot import Snapshot

__all__ = [
    "TARGETING_KEY",
    "WEIGHT_TOTAL",
    "Clause",
    "CompileFailure",
    "Error",
    "ErrorCode",
    "Explanation",
    "Flag",
    "FlagType",
    "Invalid",
    "Operator",
    "Patch",
    "Prerequisite",
    "Reason",
    "Resolution",
    "Rollout",
    "Rule",
    "Segment",
    "SegmentRule",
    "Serve",
    "Snapshot",
    "Target",
    "Variation",
    "apply_patch",
    "carry_over",
    "diff",
    "evaluate",
    "explain",
]
