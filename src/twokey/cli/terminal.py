"""The person at the terminal. Questions go to standard error, so that standard output stays the answer.

Rules this module keeps:

- A password is read without echo from the terminal, or, where the caller says so, as the first line of standard
  input; never from arguments or the environment.
- Where nobody is at the terminal nothing is asked.
"""

from __future__ import annotations

import sys
from typing import Protocol

from twokey.documents.text import plain


class Terminal(Protocol):
    """What commands need of a terminal."""

    def is_attended(self) -> bool:
        """Whether a person can be asked."""
        ...

    def ask(self, question: str) -> str:
        """One line of answer."""
        ...

    def ask_password(self, question: str) -> str:
        """A line that is not shown."""
        ...

    def piped_line(self) -> str:
        """The first line of standard input."""
        ...

    def piped_text(self) -> str:
        """All of standard input."""
        ...


class RealTerminal:
    """Standard input and the controlling terminal."""

    def is_attended(self) -> bool:
        """Whether standard input and standard error are a terminal."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, question: str) -> str:
        """One line of answer."""
        sys.stdout.flush()
        sys.stderr.write(plain(question) + " ")
        sys.stderr.flush()
        return sys.stdin.readline().strip()

    def ask_password(self, question: str) -> str:
        """A line that is not shown."""
        from getpass import getpass

        return getpass(plain(question) + " ", stream=sys.stderr)

    def piped_line(self) -> str:
        """The first line of standard input, without its line end."""
        return sys.stdin.readline().rstrip("\r\n")

    def piped_text(self) -> str:
        """All of standard input."""
        return sys.stdin.read()
