"""The OpenFeature provider.

```python
from openfeature import api
from twokey.client import Stream, TwokeyProvider, exposure

api.set_provider_and_wait(TwokeyProvider(Stream(url="https://flags.example.com", token=TOKEN), cache="flags.json"))
flags = api.get_client()
with exposure(flags, "support_answer_profile", "baseline", context) as shown:
    answer = answer_with(profile=shown.value)
```

Rules this module keeps:

* The status that OpenFeature tells is the client's: READY, STALE while the source is away and the last good snapshot
  serves, ERROR where a person must act. Never FATAL, for which OpenFeature stops asking: whatever is held serves.
* An evaluation is recorded as an exposure of what was assigned, unless `exposure` waits for what was served.
* `variant` is OpenFeature's word for a variation; it goes no further in.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from twokey.client.client import REPORTING, TwokeyClient
from twokey.client.keeper import Event, EventKind, Status
from twokey.client.recorder import Meeting
from twokey.client.shown import Shown
from twokey.client.sources import Reporting, Source
from twokey.engine import TARGETING_KEY, FlagType, Resolution, evaluate

NAME = "twokey"
PATIENCE = 5.0
_CODES = {code.value: code for code in ErrorCode}
_REASONS = {reason.value: reason for reason in Reason}
_EVENTS = {
    EventKind.READY: ProviderEvent.PROVIDER_READY,
    EventKind.STALE: ProviderEvent.PROVIDER_STALE,
    EventKind.ERROR: ProviderEvent.PROVIDER_ERROR,
    EventKind.CHANGED: ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
}
_METADATA = Metadata(NAME)


class _Awaited:
    """An evaluation whose exposure is recorded later: by which client, and what was met."""

    def __init__(self, flag: str) -> None:
        self.flag = flag
        self.client: TwokeyClient | None = None
        self.meeting: Meeting | None = None


_awaited: ContextVar[_Awaited | None] = ContextVar("twokey_awaited", default=None)


class TwokeyProvider(AbstractProvider):
    """Flags for OpenFeature: by stream, poll or file.

    `cache` is the file of the last known good, `patience` the seconds that initialising may take, `reporting` what is
    sent back (see `twokey.client.sources`). `client` is the native client underneath, for hot paths.
    """

    def __init__(
        self,
        source: Source,
        *,
        cache: str | os.PathLike[str] | None = None,
        reporting: Reporting | None = REPORTING,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__()
        self.client = TwokeyClient(source, cache=cache, reporting=reporting)
        self._keeper = self.client.keeper
        self._patience = patience
        self._initialised = False
        self._meet = self.client.recorder.meet if self.client.reports else None
        self.client.listen(self._hear)

    def get_metadata(self) -> Metadata:
        """The provider's name."""
        return _METADATA

    # ------------------------------------------------------------ life

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Start, and wait for flags; raises ProviderNotReadyError where none are there when time is up.

        With a last known good it succeeds, and says STALE or ERROR where the server did not confirm it.
        """
        # OpenFeature says READY once this returns. What is true by then is said after it.
        if not self._initialised:
            api.add_handler(ProviderEvent.PROVIDER_READY, self._correct)
        self.client.start(self._patience)
        self._initialised = True
        if self.client.snapshot is None:
            trouble = self.client.trouble
            why = "the server did not answer in time" if trouble is None else f"{type(trouble).__name__}: {trouble}"
            raise ProviderNotReadyError(f"there are no flags yet, and the client goes on trying: {why}")

    def shutdown(self) -> None:
        """Send what waits, and end."""
        if self._initialised:
            self._initialised = False
            with suppress(ValueError):  # somebody cleared all handlers
                api.remove_handler(ProviderEvent.PROVIDER_READY, self._correct)
        self.client.close()

    def _hear(self, event: Event) -> None:
        if self._initialised:
            self._emit(event)

    def _correct(self, details: EventDetails) -> None:
        status = self.client.status
        if self._initialised and details.provider_name == NAME and status in (Status.STALE, Status.ERROR):
            self._emit(Event(kind=EventKind(status), trouble=self.client.trouble))

    def _emit(self, event: Event) -> None:
        code = ErrorCode.GENERAL if event.kind is EventKind.ERROR else None
        changed = list(event.flags) if event.kind is EventKind.CHANGED else None
        details = ProviderEventDetails(flags_changed=changed, message=event.message, error_code=code)
        self.emit(_EVENTS[event.kind], details)

    # ------------------------------------------------------------ evaluation

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A boolean flag's value."""
        return self._resolve(flag_key, default_value, evaluation_context, FlagType.BOOLEAN)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A string flag's value."""
        return self._resolve(flag_key, default_value, evaluation_context, FlagType.STRING)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """An integer flag's value."""
        return self._resolve(flag_key, default_value, evaluation_context, FlagType.INTEGER)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """A number flag's value, or an integer flag's as a float."""
        return self._resolve(flag_key, default_value, evaluation_context, FlagType.NUMBER)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """An object flag's value. It is shared and cannot be changed; `copy.deepcopy` gives one that can."""
        return self._resolve(flag_key, default_value, evaluation_context, FlagType.OBJECT)

    def _resolve(
        self, key: str, default: Any, given: EvaluationContext | None, expect: FlagType
    ) -> FlagResolutionDetails[Any]:
        view = self._keeper.view
        if view is None:
            return _not_ready(default)
        context = _mapping(given)
        resolution = evaluate(view.snapshot, key, context, expect)
        if resolution.error is not None:
            return _failed(default, resolution)
        # From here on every tenth of a microsecond is paid by every evaluation of every application.
        rule = resolution.rule
        metadata, unit_name = view.known.get((key, rule)) or view.learn(key, rule)
        awaited = _awaited.get()
        if awaited is not None and awaited.flag == key:
            awaited.client = self.client
            awaited.meeting = self.client.recorder.meeting(unit_name, key, resolution, context)
        elif self._meet is not None:
            self._meet(unit_name, key, resolution, context)
        target = context.get(TARGETING_KEY)
        metadata = metadata.copy()
        if target is not None:
            metadata["contextId"] = target
        if resolution.metadata:
            metadata.update(resolution.metadata)
        return FlagResolutionDetails(
            resolution.value, None, None, _REASONS[resolution.reason], resolution.variation, MappingProxyType(metadata)
        )

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """A value was measured for the context's units; without a value it happened once (1)."""
        details = tracking_event_details or TrackingEventDetails()
        value = 1.0 if details.value is None else details.value
        context = _mapping(evaluation_context)
        if isinstance(context, Mapping):
            self.client.track(tracking_event_name, context, value, details.attributes)


@contextmanager
def exposure(
    flags: OpenFeatureClient, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
) -> Iterator[Shown]:
    """Evaluate through OpenFeature, use, and say what was served where it is not what was assigned.

    See `twokey.client.shown`. With another provider than Twokey's it evaluates all the same, and records nothing.
    """
    awaited = _Awaited(flag_key)
    token = _awaited.set(awaited)
    try:
        details = _details(flags, flag_key, default_value, evaluation_context)
    finally:
        _awaited.reset(token)
    shown = Shown(details.value, details.variant, str(details.reason))
    try:
        yield shown
    except BaseException:
        _settle(shown, awaited, failed=True)
        raise
    _settle(shown, awaited, failed=False)


def _settle(shown: Shown, awaited: _Awaited, *, failed: bool) -> None:
    if awaited.client is not None and awaited.client.reports:
        shown.settle(awaited.client.recorder, awaited.meeting, failed=failed)


def _details(flags: OpenFeatureClient, key: str, default: Any, context: EvaluationContext | None) -> Any:
    """The answer by the type of the default, as OpenFeature's typed methods ask."""
    if isinstance(default, bool):
        return flags.get_boolean_details(key, default, context)
    if isinstance(default, str):
        return flags.get_string_details(key, default, context)
    if isinstance(default, int):
        return flags.get_integer_details(key, default, context)
    if isinstance(default, float):
        return flags.get_float_details(key, default, context)
    return flags.get_object_details(key, default, context)


def _mapping(given: EvaluationContext | None) -> Any:
    """The context as the engine takes it: the attributes, with the targeting key among them."""
    if given is None:
        return {}
    attributes: Any = given.attributes  # whatever its type promises
    target = given.targeting_key
    if target is None:
        return attributes
    if type(attributes) is dict:
        context = attributes.copy()
        context[TARGETING_KEY] = target
        return context
    # What is no mapping the engine refuses, by its type.
    return {**attributes, TARGETING_KEY: target} if isinstance(attributes, Mapping) else attributes


def _failed(default: Any, resolution: Resolution) -> FlagResolutionDetails[Any]:
    error = resolution.error
    code = ErrorCode.GENERAL if error is None else _CODES[error.code]
    return FlagResolutionDetails(default, code, None if error is None else error.message, Reason.ERROR)


def _not_ready(default: Any) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(
        default, ErrorCode.PROVIDER_NOT_READY, "there is no snapshot yet; the client goes on trying", Reason.ERROR
    )
