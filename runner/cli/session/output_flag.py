"""The flag -o, whose value is a file, or - for stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.output.files import STDOUT
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


class OutputPath(click.Path):
    """A path; `-` is STDOUT, and `./-` a file of that name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return STDOUT if value == "-" else super().convert(value, param, ctx)


def output_flag(
    default: str, *, what: str = "Results file"
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option -o for `what`; `default` says where that goes without the flag."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=OutputPath(path_type=Path),
        help=f"{what}; compressed if it ends with .gz; - for stdout.  [default: {default}]",
    )


def refuse_json_beside_results(output: Path | None, *, as_json: bool) -> None:
    """Raise UsageError where the results and the summary would both go to stdout."""
    if as_json and output == STDOUT:
        raise UsageError(
            "--json and -o - both write to stdout",
            fix="leave out one of them; runner summary RUN --json prints the summary afterwards",
        )
