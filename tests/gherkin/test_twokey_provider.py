"""OpenFeature's scenarios, asked of Twokey's own provider over a snapshot."""

from __future__ import annotations

import sys
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails
from pytest_bdd import scenarios

from tests import needs
from tests.client.live import eventually
from tests.gherkin import translation
from tests.gherkin.conftest import OWN_METADATA
from tests.gherkin.suite import DOMAIN, Expected, bound, count, features
from twokey.client import File, Status, TwokeyProvider

scenarios(*features())
UNREADABLE = '{"format": "another/9", "project": "suite", "environment": "test", "revision": 2}'
NEVER_FATAL = "the provider is never FATAL, for OpenFeature would stop asking it: whatever is held serves"


class Remembering(TwokeyProvider):
    """Keeps the context of the last evaluation, as OpenFeature hands it over."""

    last: EvaluationContext | None = None

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        self.last = evaluation_context
        return super().resolve_boolean_details(flag_key, default_value, evaluation_context)


class OverSnapshot:
    """The provider over a file with the suite's flags."""

    expected = (
        *OWN_METADATA,
        Expected("Provider in fatal state error", NEVER_FATAL),
        Expected("Provider status accessibility", NEVER_FATAL, {"status": "fatal"}),
        Expected("CACHED reason", "each evaluation is made anew: nothing is served from a cache of answers"),
    )

    def __init__(self, folder: Path) -> None:
        file = needs.shared("standards", "openfeature-gherkin", "test-flags.json")
        head = {"format": "twokey/1", "project": "suite", "environment": "test", "revision": 1}
        self.folder = folder
        self.flags = msgspec.json.encode({**head, "flags": translation.flags(file)})
        self.made: Remembering | None = None

    def bind(self, status: str, stack: ExitStack) -> None:
        path = self.folder / f"{status}.json"
        if status in ("stable", "error", "stale"):
            path.write_bytes(self.flags)
        elif status == "fatal":
            path.write_text(UNREADABLE)
        self.made = made = Remembering(File(path=path, every=0.02), reporting=None, patience=0.5)
        stack.callback(made.shutdown)
        if status == "not ready":
            api.set_provider(made, DOMAIN)
            return
        with suppress(ProviderNotReadyError) if status == "fatal" else nullcontext():
            api.set_provider_and_wait(made, DOMAIN)
        if status == "error":
            path.write_text(UNREADABLE)
            eventually(lambda: made.client.status is Status.ERROR)
        elif status == "stale":
            path.unlink()
            eventually(lambda: made.client.status is Status.STALE)

    def context(self) -> dict[str, Any]:
        assert self.made is not None
        assert self.made.last is not None
        return dict(self.made.last.attributes)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> OverSnapshot:
    return OverSnapshot(tmp_path_factory.mktemp("suite"))


def test_every_scenario_of_the_suite_is_run() -> None:
    assert bound(sys.modules[__name__]) == count()
