"""The libraries of providers are an extra: nothing but a run imports them, and without them the command says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.process import free_port
from twokey.assistant.settings import Budget, Misconfigured, Wanted, settings_of

LIBRARIES = ("anthropic", "openai", "pydantic_ai", "tiktoken")
EVERYTHING_ELSE = (
    "twokey.engine, twokey.client, twokey.domain, twokey.wiring, twokey.worker, twokey.surfaces.app, twokey.cli.main"
)
KEYED = {"OPENAI_API_KEY": "sk-0123456789abcdef", "ANTHROPIC_API_KEY": "sk-ant-0123456789"}


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PYTHONPATH": "src", "PATH": "/usr/bin:/bin", **environment}
    return subprocess.run([sys.executable, "-c", program, *arguments], env=known, capture_output=True, text=True)


def test_core_client_server_and_command_import_no_library_of_a_provider() -> None:
    ran = run(f"import sys, {EVERYTHING_ELSE}\nprint([each for each in {LIBRARIES} if each in sys.modules])")
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


def test_without_the_extra_the_command_says_what_to_install() -> None:
    program = (
        "import sys\n"
        f"for each in {LIBRARIES}: sys.modules[each] = None\n"
        "from twokey.cli.main import main\nmain()"
    )  # fmt: skip
    known = {"TWOKEY_TOKEN": "twokey_x", "TWOKEY_URL": f"http://127.0.0.1:{free_port()}", **KEYED}
    ran = run(program, "assist", "case-1", "--provider", "openai", "--model", "m", **known)
    assert (ran.returncode, "pip install 'twokey[model]'" in ran.stderr) == (2, True), ran.stderr


def test_the_providers_own_addresses_and_keys_are_the_default() -> None:
    mine = settings_of(Wanted(provider="anthropic", model="m"), KEYED, Budget())
    assert (mine.url, mine.key, mine.spoken) == ("https://api.anthropic.com", "sk-ant-0123456789", "anthropic")
    assert "sk-ant" not in repr(mine)


def test_a_server_of_ones_own_needs_no_key() -> None:
    mine = settings_of(Wanted(provider="openai", model="m", url="http://127.0.0.1:8000/v1/"), {}, Budget())
    assert (mine.url, mine.key) == ("http://127.0.0.1:8000/v1", "no-key")


@pytest.mark.parametrize(
    ("wanted", "environment", "words"),
    [
        ({"provider": "", "model": "m"}, KEYED, "no provider is named"),
        ({"provider": "OpenAI", "model": "m"}, KEYED, "`OpenAI` is no provider"),
        ({"provider": "openai"}, KEYED, "no model is named"),
        ({"provider": "openai", "model": "m"}, {}, "OPENAI_API_KEY holds no key"),
        ({"provider": "openai", "model": "m", "key_env": "MINE"}, KEYED, "MINE holds no key"),
        ({"provider": "openai", "model": "m", "url": "http://127.0.0.1:1/v1", "key_env": "MINE"}, {}, "MINE holds no"),
        ({"provider": "openai", "model": "m"}, {"OPENAI_API_KEY": "two words"}, "is no key"),
        ({"provider": "openai", "model": "m", "url": "http://models.example.com/v1"}, KEYED, "in the clear"),
        ({"provider": "openai", "model": "m", "url": "https://u:p@models.example.com"}, KEYED, "address is none"),
        ({"provider": "openai", "model": "m", "url": "file:///etc/passwd"}, KEYED, "address is none"),
        ({"provider": "openai", "model": "m", "url": "https://[x"}, KEYED, "address is none"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(
    wanted: dict[str, str], environment: dict[str, str], words: str
) -> None:
    with pytest.raises(Misconfigured) as raised:
        settings_of(Wanted(**wanted), environment, Budget())
    assert words in str(raised.value)
    assert raised.value.remedy
    assert "two words" not in str(raised.value)
