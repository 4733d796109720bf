"""What the name of a results file promises: its format. A name that promises another one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.errors import UsageError
from runner.tables.draft_file import is_gzip_name
from runner.tables.table import Format

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FORMATS: Final[Mapping[str, Format]] = {f".{kind.value}": kind for kind in Format}
_OTHER_FORMATS: Final = (".csv", ".tsv", ".tab", ".parquet", ".xls", ".xlsx", ".ods", ".arrow", ".feather")
_OTHER_PACKERS: Final = (
    *(".zst", ".zstd", ".bz2", ".xz", ".lzma", ".lz4", ".br", ".z", ".zip", ".7z", ".rar", ".tar", ".tgz"),
)


def check_lines_name(output: Path, what: str = "the results of jobs") -> None:
    """Raise UsageError where JSON lines would not be what the name says; `what` is what they are."""
    _check_packer(output)
    ending = _unpacked(output).suffix.lower()
    if ending in (*_OTHER_FORMATS, *_OTHER_PACKERS):
        raise UsageError(
            f"{output} would not be what its name says: {what} are JSON lines",
            fix="end the name with .jsonl or .jsonl.gz",
        )


def table_format(output: Path) -> Format:
    """Return the format that the name of a labeled table says. Raises UsageError where it says none."""
    _check_packer(output)
    unpacked = _unpacked(output)
    ending = unpacked.suffix
    found = _FORMATS.get(ending.lower())
    if found is None:
        what = f"{ending} files cannot be written" if ending else f"{output.name} does not say its format"
        raise UsageError(what, fix=f"end the name with {', '.join(_FORMATS)}; all but the last with .gz too")
    if found is Format.PARQUET and unpacked != output:
        what = f"{output.name}: Parquet is not compressed with gzip, as it is compressed inside"
        raise UsageError(what, fix=f"leave out the last ending: {unpacked.name}")
    return found


def _check_packer(output: Path) -> None:
    ending = output.suffix
    if ending.lower() in _OTHER_PACKERS:
        raise UsageError(
            f"{ending} files cannot be written; gzip is the only compression",
            fix=f"write {output.stem}.gz, or {output.stem} and compress that",
        )


def _unpacked(output: Path) -> Path:
    return output.with_suffix("") if is_gzip_name(output) else output
