"""The last guard: secrets of this process leave it nowhere, and what looks like a credential in foreign text is masked.

Rules kept here:
- a prompt in which a secret of this process stands, plainly or encoded, is not sent: that is a failure, never a cut;
- what a provider or a server says of an error is never repeated unless it was scrubbed;
- masking errs on the side of masking: evidence is cited by numbers and names, and those are left alone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

MASK = "[masked]"
SHORTEST = 8
"""What is shorter is no secret: it would be found everywhere."""
_NAMES = r"(?:passw(?:or)?d|passphrase|secret|(?:api|private)[_-]?key|(?:access|auth|refresh|id)[_-]?token)"
_FORMS = (
    re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(
        r"\b(?:sk|pk|rk|twokey|tk|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abposr]|hf|npm)[-_][A-Za-z0-9_-]{16,}"
    ),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
)
_KEPT = (
    # What stands before the secret stays: a reader sees what was there.
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"(://)[^\s/@:]{1,200}:[^\s/@]{1,200}(?=@)"),
    re.compile(rf"(?i)(\b\w{{0,40}}{_NAMES}[\"']?\s{{0,3}}[=:]\s{{0,3}}[\"']?)[^\s\"',;&}}]{{4,}}"),
)
_SECRET_KEY = re.compile(rf"(?i)^\w{{0,40}}(?:{_NAMES}|authorization|cookie)$")


class Leak(Exception):
    """A secret of this process stood in what was to be sent. Nothing was sent."""


class Guard:
    """Knows the secrets of this process, so that they can be looked for."""

    def __init__(self, *secrets: str) -> None:
        found = {form for each in secrets if len(each) >= SHORTEST for form in _encoded(each)}
        self._forms = tuple(sorted(form for form in found if len(form) >= SHORTEST))
        self._bytes = tuple(form.encode() for form in self._forms)

    def __repr__(self) -> str:
        return f"Guard({len(self._forms)} forms)"

    def check(self, sent: bytes) -> None:
        """Raise Leak where a secret stands in it."""
        if any(form in sent for form in self._bytes):
            raise Leak("a prompt held a secret of this process; it was not sent")

    def scrub(self, text: str) -> str:
        """The text without secrets of this process, and without what looks like one."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return masked_text(text)

    def clean(self, value: Any) -> Any:
        """The same JSON, every text of it scrubbed, and every value whose name says that it is a credential."""
        if isinstance(value, str):
            return self.scrub(value)
        if isinstance(value, Mapping):
            return {self.scrub(str(key)): self._member(str(key), each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(each) for each in value]
        return value

    def _member(self, key: str, value: Any) -> Any:
        return MASK if isinstance(value, str) and value and _SECRET_KEY.match(key) else self.clean(value)


def masked_text(text: str) -> str:
    """The text, with what looks like a credential masked."""
    for form in _FORMS:
        text = form.sub(MASK, text)
    for kept in _KEPT:
        text = kept.sub(rf"\1{MASK}", text)
    return text


def _encoded(secret: str) -> Iterator[str]:
    """The secret as it stands, and as it would stand in another spelling."""
    yield secret
    yield secret[::-1]
    yield quote(secret, safe="")
    yield secret.encode().hex()
    # Within longer text base64 has three phases; what all have in common is the middle.
    for shift in range(3):
        padded = base64.b64encode(b"\0" * shift + secret.encode()).decode().rstrip("=")
        middle = padded[4 if shift else 0 : -2]
        yield from (middle, middle.translate(str.maketrans("+/", "-_")))
