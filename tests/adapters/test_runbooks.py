"""A folder of Markdown files: what of it becomes steps, and what a hostile file cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from twokey.adapters import runbooks
from twokey.adapters.runbooks import FolderRunbooks
from twokey.domain.runbook import Topic, choose, relevance

SLOW = """# Slow answers

Applies to `AnswerLatencyHigh`.

## Look

1. Open the *dashboard* at [grafana](https://evil.test/?q=secret).
2. Compare `reranker_v2` with the baseline.

   Note the queue.

## Other: new_header

- Restart the web tier.

```
- not a step
```
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "support").mkdir()
    (tmp_path / "support" / "slow.md").write_text(SLOW)
    (tmp_path / "notes.txt").write_text("1. not read")
    return tmp_path


def test_steps_are_the_items_of_lists_plain_and_with_their_lines(folder: Path) -> None:
    (found,) = FolderRunbooks(folder).read()
    assert (found.path, found.title) == ("support/slow.md", "Slow answers")
    assert [each.headings for each in found.sections] == [
        ("Slow answers",),
        ("Slow answers", "Look"),
        ("Slow answers", "Other: new_header"),
    ]
    assert [(each.line, each.text) for each in found.sections[1].steps] == [
        (7, "Open the dashboard at grafana."),
        (8, "Compare reranker_v2 with the baseline."),
        (10, "Note the queue."),
    ]
    assert [each.text for each in found.sections[2].steps] == ["Restart the web tier."]


def test_what_names_the_case_is_cited_and_what_is_about_another_flag_is_left_out(folder: Path) -> None:
    (found,) = FolderRunbooks(folder).read()
    topic = Topic(names={"alert": {"AnswerLatencyHigh"}, "flag": {"profile"}}, other_flags=frozenset({"new_header"}))
    (chosen,) = choose([found], topic)
    assert [(heading, step.line) for heading, step in chosen.steps] == [("Look", 7), ("Look", 8), ("Look", 10)]
    assert relevance(found, Topic(names={"alert": {"AnswerLatency"}})) == 0, "a part of a word is no name"
    assert choose([found], Topic(names={"alert": {"DiskFull"}, "flag": {""}})) == ()


def test_of_several_runbooks_the_ones_that_name_most_come_first(tmp_path: Path) -> None:
    for name, text in {
        "a": "# Model notes\n- look (about `cost`)",
        "b": "# Model trouble\n- call (about `cost`, `CostUp`)",
        "c": "# Unrelated\n- nothing",
        "d": "# Also `CostUp`\n- wait",
    }.items():
        (tmp_path / f"{name}.md").write_text(text)
    topic = Topic(names={"alert": {"CostUp"}, "metric": {"cost"}}, surface="model")
    chosen = choose(FolderRunbooks(tmp_path).read(), topic)
    assert [each.runbook.path for each in chosen] == ["b.md", "a.md"]


def test_nothing_outside_the_folder_is_read(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("# Secret\n- 1")
    (folder / "link.md").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    assert [each.path for each in FolderRunbooks(folder).read()] == ["support/slow.md"]
    assert FolderRunbooks(folder / "absent").read() == ()


def test_what_is_too_large_or_no_text_is_left_out_and_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "large.md").write_text("# Large\n" + "- step\n" * 200)
    (folder / "bytes.md").write_bytes(b"# \xff\xfe\n- 1")
    monkeypatch.setattr(runbooks, "MOST_BYTES", 1000)
    assert [each.path for each in FolderRunbooks(folder).read()] == ["support/slow.md"]
    assert "large.md" in caplog.text
    assert "bytes.md" in caplog.text
    monkeypatch.setattr(runbooks, "MOST_FILES", 0)
    assert FolderRunbooks(folder).read() == ()


def test_invisible_and_control_characters_do_not_come_along(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("# T\n- a\u202eb\u200bc\x1b[31md\U000e0041 ![pixel](https://evil.test/p.png)\n")
    (found,) = FolderRunbooks(tmp_path).read()
    assert [each.text for each in found.sections[0].steps] == ["abc[31md"]
