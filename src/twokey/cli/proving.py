"""Showing that one is here: the second step of a sign-in, and what guards the house.

Rules this module keeps:

- A code is asked from the person at the terminal, or is the second line of standard input; it stands in no option.
- A passkey needs a browser: whoever has nothing else signs in here with a recovery code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure
from twokey.cli.runtime import Runtime
from twokey.cli.server import Server, path

if TYPE_CHECKING:
    import httpx

DIGITS = 6
"""An authenticator app's code has so many."""


def second_step(world: Runtime, server: Server, owed: Mapping[str, Any], *, piped: bool) -> httpx.Response:
    """Answer a sign-in that owes a second factor. Raises Failure where the answer is wrong, or nobody gives one."""
    has_app = "totp" in owed["factors"]
    what = (
        "Code of your authenticator app, or a recovery code:"
        if has_app
        else "A recovery code (passkeys need a browser):"
    )
    text = world.terminal.piped_line() if piped else world.terminal.ask_password(what)
    if not text.strip():
        raise Failure(
            Exit.NOT_SIGNED_IN, "A second factor is owed", "the password was right, and is not enough for this person",
            "give the code as the second line of standard input" if piped else "try again, with the code",
        )  # fmt: skip
    try:
        return server.send("POST", path("session", "second"), body={"ticket": owed["ticket"], **_code(text)})
    except Failure as failure:
        if failure.exit is Exit.NOT_SIGNED_IN:
            failure.remedy = "wait for the app's next code: each counts once"
        raise


def post_guarded(world: Runtime, server: Server, address: str, body: Mapping[str, Any]) -> Any:
    """A call that touches what guards the house: where the session is no recent proof, the person is asked for one."""
    try:
        return server.post(address, body)
    except Failure as failure:
        needed = str(failure.problem.get("type", "")).endswith(":proof-needed")
        if needed and not world.terminal.is_attended():
            failure.remedy = "sign in again with `twokey login` just before"
        if not (needed and world.terminal.is_attended()):
            raise
    text = world.terminal.ask_password("Your password or a code of your app, to show that you are here:")
    proof = _code(text) if _is_code(text) else {"password": text}
    server.send("POST", path("session", "proof"), body=proof)
    return server.post(address, body)


def _code(text: str) -> dict[str, str]:
    return {"code": text.replace(" ", "")} if _is_code(text) else {"recovery_code": text.strip()}


def _is_code(text: str) -> bool:
    digits = text.replace(" ", "")
    return len(digits) == DIGITS and digits.isascii() and digits.isdigit()
