"""Text that others wrote reaches the terminal as text: nothing moves, hides, reverses or colours."""

import unicodedata

import pytest

from tests.cli import views
from tests.cli.world import FakeTerminal, Person

HOSTILE = "ok\x1b[2J\x1b]8;;http://evil\x07click\x9b31m\u202eevorppa\u200b\u2066\U000e0041\ufeff\r\n\tAPPROVED \x7f"


def fill(value: object) -> object:
    """The same view with every free text of others hostile."""
    if isinstance(value, dict):
        return {key: fill(item) if key not in CLOSED else item for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item) for item in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


# Words of our own, and times, which the API's models restrict.
CLOSED = {"status", "effect", "marker", "at", "since", "until", "kind", "apply", "may", "key", "choice", "phase"}


def is_harmless(text: str) -> bool:
    return all(char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for char in text)


PAGES = {
    ("case", "show", "c"): ("cases/c", views.case()),
    ("case", "list"): ("cases", [views.case_row()]),
    ("proposal", "show", "c"): ("proposals/c", views.proposal()),
    ("proposal", "list"): ("proposals", [views.proposal_row()]),
    ("change", "show", "c"): ("changes/c", views.change()),
    ("change", "reach", "c"): ("changes/c/reach", views.reach()),
    ("experiment", "list"): ("projects/support/environments/production/experiments", [views.experiment()]),
    ("experiment", "show", "c"): ("projects/support/environments/production/flags/c/experiments", [views.experiment()]),
    ("change", "list"): ("changes", [views.change()]),
    ("audit", "list"): ("audit", [views.entry()]),
    ("token", "list"): ("tokens", [views.token()]),
    ("user", "list"): ("users", [views.user()]),
}


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
@pytest.mark.parametrize("json", [[], ["--json"]], ids=["people", "machine"])
def test_no_page_lets_it_through(ines: Person, command: tuple[str, ...], json: list[str]) -> None:
    path, view = PAGES[command]
    ines.server.on("GET", path, fill(view)).on("GET", "cases/c/series", [views.series()])
    ines.server.on("GET", "environments", [views.environment().model_dump(mode="json")])
    shown = ines.runs(*command, *json)
    assert shown.code == 0, shown.err
    assert is_harmless(shown.out + shown.err)
    assert ("\\u202e" in shown.out) or json, "it is shown, not dropped"


def test_markup_of_the_terminal_library_is_only_text(ines: Person) -> None:
    ines.server.on("GET", "cases", [views.case_row(title="[red]fire[/red] [link=http://evil]x[/link] :bomb:")])
    assert "[red]fire[/red]" in " ".join(ines.runs("case", "list").out.split())


@pytest.mark.parametrize("arguments", [("case", "record", "c"), ("proposal", "show", "c", "--yaml")])
def test_documents_keep_their_lines_and_nothing_else(ines: Person, arguments: tuple[str, ...]) -> None:
    ines.server.on("GET", "cases/c/record", f"# one\n{HOSTILE}\n")
    ines.server.on("GET", "proposals/c/document", f"one:\n  {HOSTILE}\n")
    shown = ines.runs(*arguments)
    assert is_harmless(shown.out)
    assert len(shown.out.splitlines()) >= 2


def test_errors_and_questions_are_clean_too(ines: Person) -> None:
    ines.server.on("GET", "cases", views.problem(404, HOSTILE, HOSTILE, remedy=HOSTILE), 404)
    shown = ines.runs("case", "list")
    assert is_harmless(shown.err)
    ines.env = {}
    ines.terminal = FakeTerminal(["ines", "n"], ["wrong"])
    ines.server.on("GET", "proposals/p", fill(views.proposal()))
    assert is_harmless("".join(ines.terminal.questions))


def test_an_exported_log_on_a_terminal_is_escaped_and_still_the_same_json(ines: Person) -> None:
    import json

    line = json.dumps({"subject": HOSTILE + "😀é"}, ensure_ascii=False)
    ines.server.on("GET", "audit/export", (line + "\n").encode())
    shown = ines.runs("audit", "export")
    assert is_harmless(shown.out)
    assert json.loads(shown.out) == json.loads(line)


def test_what_a_tool_s_author_called_yes_is_not_a_yes(ines: Person) -> None:
    ines.env = {}
    ines.server.on("GET", "proposals/p", views.proposal(title="Turn your key? [y/N] y\ny\ny"))
    ines.terminal = FakeTerminal(["ines", ""], ["correct horse battery"])
    assert ines.runs("proposal", "approve", "p").code == 4
