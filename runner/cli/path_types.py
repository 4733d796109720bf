"""Paths on the command line: what a Path would change before an error shows it is refused as it was typed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import click

from runner.output.files import STDOUT
from runner.rules.errors import UsageError
from runner.rules.redact import plain
from runner.rules.shell_words import shell_word

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


class InputPath(click.Path):
    """A file to read; `-` is stdin where it is allowed. Refused are "" and the address of a download."""

    def __init__(self, *, allow_dash: bool = True) -> None:
        """Let the reader say what is wrong with a file that is there."""
        super().__init__(path_type=Path, allow_dash=allow_dash, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        _refuse_empty(value, "the name of the input")
        if isinstance(value, str) and (found := _ADDRESS.match(value)):  # the rest of it may be a secret
            what = f"{found[0]}… is an address; files are read from this machine only"
            raise UsageError(what, fix="download it, and name the file")
        return super().convert(value, param, ctx)


class OutputPath(click.Path):
    """A file to write; `-` is STDOUT, and `./-` a file of that name. Refused are "" and `folder/`."""

    def __init__(self) -> None:
        """Let the writer say what is wrong with the place."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        _refuse_empty(value, "the name of the output")
        if isinstance(value, str) and value.endswith("/"):
            what = f"{plain(value)} names a folder, not a file"
            raise UsageError(what, fix=f"name a file in it: -o {shell_word(f'{value}results.jsonl')}")
        return STDOUT if value == "-" else super().convert(value, param, ctx)


def _refuse_empty(value: object, what: str) -> None:
    if value == "":
        raise UsageError(f"{what} is empty", fix="see whether a variable in the command is not set")
