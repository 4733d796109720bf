"""Opens a table, in whatever format it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from runner.tables.first_bytes import format_by_content, is_parquet, refuse_other_files
from runner.tables.stored_file import GZIP_ERRORS, StoredFile, gzip_fault
from runner.tables.table import Format, ReadOptions, TableError

if TYPE_CHECKING:
    from pathlib import Path

    from runner.tables.table import Table

_HEAD_BYTES: Final = 64 * 1024
_FORMAT_BY_ENDING: Final = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
}


def open_table(path: Path, options: ReadOptions) -> Table:
    """Return the table in a file, its columns read; its rows are read by `batches`.

    Its format is the one given, else that of its name's ending (before .gz), else what its first bytes look
    like. Raise TableError where the file cannot be read or is no table, UsageError where an option is wrong.
    """
    try:
        return _open(path, options)
    except OSError as error:
        reason = error.strerror or str(error)
        raise TableError(f"{path} cannot be read: {reason}", fix="give the path of a table") from error


def format_by_ending(path: Path) -> Format | None:
    """Return the format that a file's name says, None where it says none; .gz at the end does not count."""
    name = path.name.lower().removesuffix(".gz")
    return next((found for end, found in _FORMAT_BY_ENDING.items() if name.endswith(end)), None)


def _open(path: Path, options: ReadOptions) -> Table:
    try:
        with StoredFile(path) as stored:
            is_gzip, head = stored.is_gzip, stored.read(_HEAD_BYTES)
    except GZIP_ERRORS as error:
        fault = gzip_fault(error)
        raise TableError(f"{path.name}: {fault.reason}", fix=fault.fix) from None
    if not head:
        raise TableError(f"{path.name} is empty", fix="give a table; without rows, it has at least a header")
    refuse_other_files(head, path, is_gzip=is_gzip)
    is_stored_parquet = is_parquet(head) and options.format is None
    format = Format.PARQUET if is_stored_parquet else options.format or format_by_ending(path)  # noqa: A001
    options = replace(options, format=format or format_by_content(head, path))
    if options.format is Format.PARQUET:
        if is_gzip:
            raise TableError(
                f"{path.name} is Parquet inside gzip", fix=f"unpack it first: gunzip {path.name}"
            )
        from runner.tables.parquet_table import ParquetTable

        return ParquetTable(path, options)
    if options.format is Format.JSONL:
        from runner.tables.jsonl_table import JsonlTable

        return JsonlTable(path, options)
    from runner.tables.csv_table import CsvTable

    return CsvTable(path, options)
