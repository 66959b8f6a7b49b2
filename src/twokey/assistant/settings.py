"""Which model is asked, where, with whose key, and how much of it a case may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

Provider = Literal["openai", "openai-responses", "anthropic"]
"""The protocols that are spoken. Nearly every other provider, and every local server, speaks the first one."""
URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "openai-responses": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
}
KEYS: Mapping[str, str] = {
    "openai": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
NO_KEY = "no-key"
"""What is sent to a server that asks for none."""


class Misconfigured(Exception):
    """The assistant cannot be set up so; `remedy` says what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much one case may take. Each is an end: what goes past it fails, and is told so.

    `requests` counts every request, tries after a failure included; `retries` are those tries, and those after an
    answer that does not fit. `request_characters` is the size of one whole prompt, `result_characters` that of one
    result of a tool. `answer_bytes` is how much of a provider's answer is read.
    `pause` is how long the first try after a failure is waited for, where the provider says nothing; it doubles.
    """

    requests: int = 16
    retries: int = 3
    tool_calls: int = 48
    input_tokens: int = 300_000
    output_tokens: int = 24_000
    reply_tokens: int = 4_096
    seconds: float = 180.0
    request_seconds: float = 60.0
    request_characters: int = 400_000
    result_characters: int = 16_000
    answer_bytes: int = 2_000_000
    pause: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One model.

    `content` puts what is asked and answered into spans; without it they hold names and numbers alone. `keep` is a
    folder that each run's conversation is written into; without it nobody keeps one.
    """

    provider: Provider
    model: str
    url: str
    key: str = field(default=NO_KEY, repr=False)
    budget: Budget = field(default_factory=Budget)
    content: bool = False
    keep: Path | None = None

    @property
    def spoken(self) -> str:
        """Who is asked, for the record: the protocol, and whose machine it is where that is not its own provider's."""
        return self.provider if self.url == URLS[self.provider] else f"{self.provider} at {self.host}"

    @property
    def host(self) -> str:
        """The provider's host."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asked for, before it is checked: empty where nothing was said."""

    provider: str = ""
    model: str = ""
    url: str = ""
    key_env: str = ""


def settings_of(
    wanted: Wanted, environment: Mapping[str, str], budget: Budget, *, content: bool = False, keep: Path | None = None
) -> Settings:
    """The settings. Raises Misconfigured."""
    provider = _provider(wanted.provider)
    if not wanted.model:
        raise Misconfigured("no model is named", "name it with --model or TWOKEY_MODEL")
    url = (wanted.url or URLS[provider]).rstrip("/")
    _check_url(url, trusted=environment.get("TWOKEY_INSECURE_HTTP") == "1")
    return Settings(
        provider=provider,
        model=wanted.model,
        url=url,
        key=_key(provider, wanted, environment),
        budget=budget,
        content=content,
        keep=keep,
    )


def _provider(name: str) -> Provider:
    for each in get_args(Provider):
        if each == name:
            provider: Provider = each
            return provider
    said = f"`{name}` is no provider that is spoken here" if name else "no provider is named"
    raise Misconfigured(said, f"one of {', '.join(get_args(Provider))}, with --provider or TWOKEY_MODEL_PROVIDER")


def _check_url(url: str, *, trusted: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise Misconfigured("the model's address is none", "write it like https://models.example.com/v1")
    if parts.scheme == "http" and host not in LOOPBACK and not trusted:
        raise Misconfigured(
            f"the key and the evidence would travel to {host} in the clear",
            "use https; on a network that you trust set TWOKEY_INSECURE_HTTP=1",
        )


def _key(provider: Provider, wanted: Wanted, environment: Mapping[str, str]) -> str:
    name = wanted.key_env or KEYS[provider]
    key = environment.get(name, "").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise Misconfigured(f"what {name} holds is no key", "copy it again: it is one line of letters and digits")
    if key or (wanted.url and not wanted.key_env):
        # A server of one's own often asks for no key; one that was named and is not there is a mistake.
        return key or NO_KEY
    raise Misconfigured(f"{name} holds no key", f"put the provider's key into {name}, or name another with --key-env")
