"""Options that many commands share, with one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines on standard output, and nothing else.")]
Project = Annotated[str | None, typer.Option(help="Project. [default: TWOKEY_PROJECT, or the only one there is]")]
Environment = Annotated[
    str | None, typer.Option(help="Environment. [default: TWOKEY_ENVIRONMENT, or the only one there is]")
]
Reason = Annotated[str, typer.Option(help="Why; approvers read this.")]
Limit = Annotated[int, typer.Option(min=1, max=500, help="Show at most so many.")]
Username = Annotated[str | None, typer.Option(help="Who you are. [default: you are asked]")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="For scripts: the password is the first line of standard input.")
]
Digest = Annotated[str | None, typer.Option(help="The digest that you read; with any other one nothing is sent.")]
Note = Annotated[str, typer.Option(help="A word that is kept with it.")]
Data = Annotated[Path, typer.Option(envvar="TWOKEY_DATA", help="The folder where everything is kept.")]
Database = Annotated[
    str, typer.Option(envvar="TWOKEY_DATABASE", help="The control store, where it is not in --data: postgresql://...")
]
