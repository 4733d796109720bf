"""What can be loaded as a run: a job file, or a table with its recipe. `load` knows only these interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.rules.costs.estimate import Tally
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.requests.request import Request
    from runner.rules.requests.request_frame import Frame
    from runner.tables.lines import Line


class SkippedRow(NamedTuple):
    """A row that has no job, because of a fault in it."""

    row: int
    fault: str


class Reading(Protocol):
    """One pass over an input: iterate over `requests` to the end, then read the other fields.

    `total` is the number of requests, `row_total` that of rows in all where the input is a table.
    `warnings` are the first ones of `warnings_total`. `other_model_total`: requests that name another model
    than --model.
    """

    total: int
    other_model_total: int
    warnings: list[Diagnostic]
    warnings_total: int

    @property
    def bad_total(self) -> int:
        """Return the number of bad lines or rows so far."""
        ...

    @property
    def row_total(self) -> int | None:
        """Return the number of the table's rows so far, skipped and excluded ones included; else None."""
        ...

    @property
    def frame(self) -> Frame | None:
        """Return the bytes around the body of each request; None where the bodies are whole."""
        ...

    @property
    def may_be_loaded(self) -> bool:
        """Return whether nothing that was read so far refuses the input."""
        ...

    @property
    def line_count(self) -> int:
        """Return the number of physical lines, or rows, read so far."""
        ...

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes read so far."""
        ...

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes; of all of them at the end."""
        ...

    def requests(self) -> Iterator[tuple[Line, Request | SkippedRow]]:
        """Yield the good lines or rows with their requests, in order; and the skipped rows of a table."""
        ...

    def accept(self) -> Path | None:
        """Raise UserError where the input must not be loaded; else put skipped lines aside, return where.

        None where there are none, and for a table: its output has the skipped rows.
        """
        ...


class RunInput(Protocol):
    """An input that is not read yet."""

    @property
    def path(self) -> Path:
        """Return where it is."""
        ...

    @property
    def shapings(self) -> Sequence[Mapping[str, str | None]]:
        """Return the flags that shape requests, for the identity; then as older versions wrote them."""
        ...

    @property
    def recipe(self) -> str | None:
        """Return the recipe as it is stored with the run; None for a job file."""
        ...

    @property
    def needs(self) -> str | None:
        """Return the words that a worker must know to work on the run, with spaces between them."""
        ...

    def digest(self) -> tuple[str, int]:
        """Return the sha256 of the stored bytes and their number. Raises UsageError."""
        ...

    def read(self, tally: Tally) -> Reading:
        """Return a new pass over the input; `tally` adds up its requests."""
        ...
