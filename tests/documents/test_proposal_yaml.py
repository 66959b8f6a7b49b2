"""A proposal as the two blocks of the article, with real values."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.needs import shared
from twokey.documents.proposal_yaml import (
    ProposalDocument,
    candidate_of,
    gap_line,
    proposal_yaml,
    reach_word,
    rollback_line,
    signal_words,
)
from twokey.engine.flag import Clause, Flag, FlagType, Operator, Rollout, Rule, Serve, Target, Variation

ANY = st.text(st.characters(exclude_categories=()), max_size=40)


def document(**changes: Any) -> ProposalDocument:
    values: dict[str, Any] = {
        "workflow": "support_assistant",
        "current_control": "support_answer_profile",
        "active_candidate": "reranker_v2",
        "signal": ("p95_latency_regression", "manual_correction_rate_up"),
        "action": "reduce_rollout",
        "from_": "10_percent",
        "to": "internal_only",
        "reason": "latency and correction guardrails breached for candidate cohort",
        "rollback_command": "restore support_answer_profile to baseline for production",
        "evidence_gap": "citation_failure_rate not joined to flag variation yet",
        "approval_required_from": ("support_ai_platform_owner", "release_manager"),
    }
    return ProposalDocument(**(values | changes))


def article() -> list[str]:
    """The lines of the article's example."""
    text = shared("seed", "ai-assisted-operations-need-feature-flags.txt").read_text("utf-8")
    start = text.index("operations_signal:")
    return text[start : text.index("The assistant helps by compressing context")].splitlines()


def test_it_is_word_for_word_what_the_article_prints() -> None:
    printed = [line.strip() for line in proposal_yaml(document()).splitlines()]
    assert printed == [line.strip() for line in article() if line.strip()]


def test_its_keys_and_their_order_are_the_article_s_whatever_the_values() -> None:
    odd = document(signal=(), evidence_gap="", reason="yes: no", from_="010", to="1e3", action="off")
    keys = re.findall(r"^ *(\w+):", proposal_yaml(odd), flags=re.MULTILINE)
    assert keys == [found[1] for line in article() if (found := re.match(r"(\w+):", line.strip()))]


@given(ANY, st.lists(ANY, max_size=3))
def test_whatever_the_words_it_reads_back_as_the_same_shape(word: str, several: list[str]) -> None:
    fields = [name for name in ProposalDocument.__struct_fields__ if name not in ("signal", "approval_required_from")]
    written = document(signal=tuple(several), approval_required_from=tuple(several), **dict.fromkeys(fields, word))
    read = yaml.safe_load(proposal_yaml(written))
    assert [*read] == ["operations_signal", "assistant_recommendation"]
    assert len(read["operations_signal"]["signal"]) == len(several)
    values = [value for block in read.values() for value in block.values() if not isinstance(value, list)]
    assert all(isinstance(value, str) for value in values)
    assert len(set(values)) == 1


def test_words_of_others_cannot_add_a_key_or_an_approver() -> None:
    hostile = "x\napproval_required_from: []\n- nobody\x1b[2J"
    read = yaml.safe_load(proposal_yaml(document(reason=hostile)))
    assert read["assistant_recommendation"]["approval_required_from"] == [
        "support_ai_platform_owner",
        "release_manager",
    ]
    assert "\x1b" not in proposal_yaml(document(reason=hostile))


class TestReach:
    INTERNAL = Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=("internal-staff",))
    PRO = Clause(attribute="plan", operator=Operator.IN, values=("pro",))

    def flag(self, *rules: Rule, **changes: Any) -> Flag:
        found: dict[str, Any] = {
            "key": "profile", "type": FlagType.STRING, "enabled": True, "baseline": "base", "rules": rules,
            "variations": tuple(Variation(key=key, value=key) for key in ("base", "v1", "v2")),
            "otherwise": Serve(variation="base"),
        }  # fmt: skip
        return Flag(**(found | changes))

    def internal(self) -> Rule:
        return Rule(id="internal", clauses=(self.INTERNAL,), serve=Serve(variation="v2"))

    def share(self, *weights: tuple[str, int]) -> Serve:
        return Serve(rollout=Rollout(weights=weights))

    def rollout(self, weight: int) -> Rule:
        return Rule(id="pro-10", clauses=(self.PRO,), serve=self.share(("v2", weight), ("base", 100_000 - weight)))

    @pytest.mark.parametrize(
        ("weight", "word"), [(10_000, "10_percent"), (12_500, "12.5_percent"), (1, "0.001_percent")]
    )
    def test_a_rollout_is_its_share(self, weight: int, word: str) -> None:
        assert reach_word(self.flag(self.internal(), self.rollout(weight))) == word

    def test_without_it_only_the_internal_ones_are_left(self) -> None:
        assert reach_word(self.flag(self.internal())) == "internal_only"
        assert reach_word(self.flag(self.internal()), internal_segment="crew") == "internal_staff_only"

    def test_nobody_everyone_and_nothing(self) -> None:
        assert reach_word(self.flag()) == "nobody"
        assert reach_word(self.flag(self.internal(), enabled=False)) == "nobody"
        assert reach_word(self.flag(otherwise=Serve(variation="v1"))) == "everyone"
        assert reach_word(None) == "absent"

    def test_a_rollout_that_gives_the_baseline_to_all_is_nobody(self) -> None:
        assert reach_word(self.flag(self.rollout(0))) == "nobody"

    def test_rules_and_lists_are_named(self) -> None:
        all_pro = Rule(id="all-pro", clauses=(self.PRO,), serve=Serve(variation="v1"))
        listed = (Target(variation="v2", units=("u-1",)),)
        assert reach_word(self.flag(all_pro)) == "all_pro_only"
        assert reach_word(self.flag(self.internal(), all_pro)) == "internal_and_all_pro_only"
        assert reach_word(self.flag(targets=listed)) == "listed_units_only"
        assert reach_word(self.flag(self.internal(), targets=listed)) == "internal_and_listed_units_only"

    def test_the_candidate_is_what_reaches_most(self) -> None:
        assert candidate_of(self.flag(self.rollout(10_000))) == "v2"
        assert candidate_of(self.flag(otherwise=self.share(("v1", 6_000), ("v2", 4_000), ("base", 90_000)))) == "v1"
        assert candidate_of(self.flag()) == "v1"


def test_small_words() -> None:
    assert signal_words(["P95LatencyRegression", "P95LatencyRegression", "??"]) == ("p95_latency_regression", "alert")
    assert rollback_line("profile", "baseline", "production") == "restore profile to baseline for production"
    assert gap_line([]) == "none known"
    assert gap_line(["a is not joined.", "b neither"]) == "a is not joined; b neither"
