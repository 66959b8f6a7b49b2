"""A hook that tells OpenTelemetry of every evaluation: the event `feature_flag.evaluation`.

```python
api.add_hooks([EvaluationEvents()])
```

Rules this module keeps:

* Names are those of the semantic conventions for feature flags, version 1.44.0 (OpenFeature's own helper still
  uses older ones). The event goes to the logs pipeline, within the span that is current.
* A variation's key stands for its value; the value is told only where there is no variation, such as after an error.
* The targeting key, and the unit where a flag is bucketed by another attribute, are personal data. `context_id` may
  replace them or leave them out (None).
* What the conventions have no name for (rule, flag revision, unit) stands under `twokey.*`: with it the server puts an
  evaluation into its stage without deducing anything.

Needs `twokey[otel]`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType, Reason
from openfeature.hook import Hook, HookContext, HookHints
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger

from twokey import __version__

EVENT = "feature_flag.evaluation"
SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_FROM_METADATA = {
    "feature_flag.set.id": "flagSetId",
    "feature_flag.version": "version",
    "twokey.revision": "revision",
    "twokey.rule": "rule",
    "twokey.unit.name": "unit",
}
TARGETING_KEY = "targetingKey"


def as_it_is(targeting_key: str) -> str | None:
    """The targeting key itself."""
    return targeting_key


class EvaluationEvents(Hook):
    """Emits one event for each evaluation, successful or not; with the global logger provider unless one is given."""

    def __init__(
        self, provider: LoggerProvider | None = None, context_id: Callable[[str], str | None] = as_it_is
    ) -> None:
        self._logger = get_logger("twokey.client", __version__, provider, SCHEMA)
        self._context_id = context_id

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints
    ) -> None:
        """Emit the event."""
        failed = details.error_code is not None or details.reason == Reason.ERROR
        severity = SeverityNumber.WARN if failed else SeverityNumber.INFO
        attributes = {**self._where(hook_context, details), **_result(details), **(_error(details) if failed else {})}
        self._logger.emit(
            LogRecord(
                timestamp=time.time_ns(),
                severity_number=severity,
                event_name=EVENT,
                attributes=attributes,
            )
        )

    def _where(self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType]) -> dict[str, Any]:
        found: dict[str, Any] = {"feature_flag.key": details.flag_key}
        if hook_context.provider_metadata is not None:
            found["feature_flag.provider.name"] = hook_context.provider_metadata.name
        for name, key in _FROM_METADATA.items():
            if (value := details.flag_metadata.get(key)) is not None:
                found[name] = str(value)
        context, unit = hook_context.evaluation_context, details.flag_metadata.get("unit", TARGETING_KEY)
        told = {"feature_flag.context.id": details.flag_metadata.get("contextId", context.targeting_key)}
        if unit != TARGETING_KEY:
            told["twokey.unit.id"] = context.attributes.get(str(unit))  # type: ignore[assignment]
        for name, value in told.items():
            shown = None if value is None else self._context_id(str(value))
            if shown is not None:
                found[name] = shown
        return found


def _result(details: FlagEvaluationDetails[FlagValueType]) -> dict[str, Any]:
    reason = {"feature_flag.result.reason": str(details.reason or Reason.UNKNOWN).lower()}
    if details.variant is not None:
        return {**reason, "feature_flag.result.variant": details.variant}
    return {**reason, "feature_flag.result.value": _plain(details.value)}


def _error(details: FlagEvaluationDetails[FlagValueType]) -> dict[str, Any]:
    code = {"error.type": str((details.error_code or ErrorCode.GENERAL).value).lower()}
    return {**code, "feature_flag.error.message": details.error_message} if details.error_message else code


def _plain(value: Any) -> Any:
    """The value as an attribute holds it: scalars as they are, structures as JSON."""
    structured = isinstance(value, Mapping) or (isinstance(value, Sequence) and not isinstance(value, str))
    return json.dumps(value, default=str) if structured else value
