"""The names of the three files that a run writes, and the places where they may be written."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.rules.errors import UsageError, UserError
from runner.rules.occasion import file_stem, stem_of_file
from runner.tables.draft_file import is_gzip_name
from runner.tables.file_place import check_place

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT: Final = Path("/dev/stdout")  # as an output: the results alone go there
_ENDINGS: Final = (".jsonl", ".csv", ".tsv", ".parquet")  # left out of the names of the other two files


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The three files that a run writes."""

    results: Path
    errors: Path
    summary: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield them in the order in which they are put in place."""
        return iter((self.results, self.errors, self.summary))


def paths(output: Path) -> Paths:
    """Return the paths for `OUT.jsonl`, or a table such as `OUT.csv`: OUT.errors.jsonl, OUT.summary.json.

    With `.gz` behind it the errors file has that too. Raises UserError where `output` has no name.
    """
    if not output.name:
        raise UserError(
            f"{output} is a folder, not a file", fix=f"name a file in it: -o {output / 'results.jsonl'}"
        )
    packed = output.suffix if is_gzip_name(output) else ""
    name = output.name.removesuffix(packed)
    ending = next((end for end in _ENDINGS if name.endswith(end)), "")
    stem = name.removesuffix(ending)
    return Paths(
        results=output,
        errors=output.with_name(f"{stem}.errors.jsonl{packed}"),
        summary=output.with_name(f"{stem}.summary.json"),
    )


def has_summary(output: Path) -> bool:
    """Return whether the summary of an earlier run is there; not where its path cannot be."""
    try:
        return paths(output).summary.exists()
    except (UserError, OSError):
        return False


def check_places(targets: Paths) -> None:
    """Raise UserError where one of the files cannot be written: see `check_place`."""
    for target in targets:
        check_place(target, is_named=target == targets.results)


def default_output(source: Path) -> Path:
    """Return the default results path of a job file, in the current folder (reviews.results.jsonl)."""
    return Path(f"{stem_of_file(source.name)}.results.jsonl")


def occasion_output(stem: str, run_name: str) -> Path:
    """Return the default results path of a run of an occasion (reviews.2026-11-28.results.jsonl)."""
    return Path(f"{file_stem(Path(stem).name, run_name)}.results.jsonl")


def labeled_output(table: Path, run_name: str) -> Path:
    """Return the default path of a table with labels, in the current folder (reviews.labeled.csv).

    It has the table's format where its name says one that can be written, else that is CSV.
    """
    name = table.name.lower().removesuffix(".gz")
    ending = next((end for end in _ENDINGS if name.endswith(end)), ".csv")
    return Path(f"{Path(run_name).name}.labeled{ending}")


def refuse_input(targets: Paths, source: Path, what: str = "the job file") -> None:
    """Raise UsageError where a target is the input itself, by whatever name; `what` is what the input is."""
    for target in targets:
        with suppress(OSError):  # one of them is not there
            if target.samefile(source):
                raise UsageError(f"{target} is {what} itself", fix="name another output with -o")
