"""What a table is to the rest of the program: named columns, and numbered rows in batches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from runner.rules.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.rules.table_faults import TableFault

ROWS_PER_BATCH = 5_000


class Format(StrEnum):
    """How a table is stored."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class CellKind(StrEnum):
    """What an added column holds; None is allowed in each."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"  # of texts
    JSON = "json"  # any JSON value, as text


class AddedColumn(NamedTuple):
    """A column that is written after those of the table."""

    name: str
    kind: CellKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read a table; None is found out from its name and first bytes."""

    format: Format | None = None
    encoding: str | None = None
    delimiter: str | None = None


class TableError(UserError):
    """A table cannot be read as a whole (exit 3)."""

    exit_code = 3


class UnencodableError(Exception):
    """A table cannot be written in its encoding, which lacks a character of an added cell."""


class RowBatch(Protocol):
    """Up to ROWS_PER_BATCH rows in their order."""

    first: int  # the number of its first row, from 1

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def values(self, columns: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        """Yield the cells of some columns, row by row. CSV: text; JSONL, Parquet: Python values, or None."""
        ...


class Table(Protocol):
    """A table that is read once from its beginning to its end, in flat memory.

    `reading` says how: its encoding and delimiter as they were found out, None where its format has none.
    """

    format: Format
    columns: tuple[str, ...]
    reading: ReadOptions

    @property
    def sha256(self) -> str:
        """Return the hex digest of the stored bytes; of all of them after the last batch."""
        ...

    @property
    def byte_count(self) -> int:
        """Return the number of stored bytes that were read so far."""
        ...

    def batches(self) -> Iterator[RowBatch | TableFault]:
        """Yield the rows, and a fault for each row that cannot be read (which is then in no batch)."""
        ...


class Sink(Protocol):
    """Where the bytes of a written table go."""

    def add(self, chunk: bytes) -> None:
        """Append bytes."""
        ...


class TableWriter(Protocol):
    """Writes the rows of a table again, with columns added: the same bytes each time."""

    def write(self, batch: RowBatch, added: Sequence[Sequence[Any]]) -> None:
        """Write a batch; `added` has a sequence of len(batch) values for each added column."""
        ...

    def finish(self) -> None:
        """Write what is left, such as a footer."""
        ...
