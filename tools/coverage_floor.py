"""Hold the coverage of the parts of runner/ above a floor: `python -m tools.coverage_floor coverage.json`.

Reads what `coverage json` wrote. What counts is the share of statements and branches together, as coverage
counts it. Only the tests' own processes are measured: what they start as a process counts for nothing here.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The least percent of a folder, and of each of its files where that is held too."""

    folder: str
    percent: float
    file_percent: float = 0.0


FLOORS: Final = (
    Floor(folder="runner/engine/", percent=90.0, file_percent=85.0),
    Floor(folder="runner/rules/", percent=98.0),
    Floor(folder="runner/", percent=85.0),
)


@dataclass(frozen=True, slots=True)
class Reached:
    """Statements and branches of a file or a folder, and how many of them the tests reached."""

    reached: int = 0
    total: int = 0

    def __add__(self, other: Reached) -> Reached:
        return Reached(self.reached + other.reached, self.total + other.total)

    @property
    def percent(self) -> float:
        """Return the share that was reached; 100 where there is nothing to reach."""
        return 100.0 * self.reached / self.total if self.total else 100.0


def reached_by_file(report: Mapping[str, Any]) -> dict[str, Reached]:
    """Return the figures of each file of a report of `coverage json`; its paths have slashes."""
    return {
        path.replace("\\", "/"): Reached(
            summary["covered_lines"] + summary["covered_branches"],
            summary["num_statements"] + summary["num_branches"],
        )
        for path, summary in ((path, one["summary"]) for path, one in report["files"].items())
    }


def shortfalls(files: Mapping[str, Reached], floors: Sequence[Floor] = FLOORS) -> Iterator[str]:
    """Yield a sentence for each file and each folder that is below its floor, or was not measured."""
    for floor in floors:
        inside = {path: one for path, one in sorted(files.items()) if path.startswith(floor.folder)}
        if not inside:
            yield f"{floor.folder}: no file of it was measured"
        for path, one in inside.items():
            if one.percent < floor.file_percent:
                least = f"{floor.file_percent:g} % is the least of a file"
                yield f"{path}: {one.percent:.1f} % is covered, {least}"
        whole = sum(inside.values(), Reached())
        if whole.percent < floor.percent:
            yield f"{floor.folder}: {whole.percent:.1f} % is covered, {floor.percent:g} % is the least"


def table(files: Mapping[str, Reached], floors: Sequence[Floor] = FLOORS) -> str:
    """Return a line for each floor: the part, its percent, the least percent, and its file with the least."""
    rows = [("part", "covered", "least", "reached", "least covered file")]
    for floor in floors:
        inside = {path: one for path, one in files.items() if path.startswith(floor.folder)}
        whole = sum(inside.values(), Reached())
        path, one = min(inside.items(), key=lambda item: item[1].percent, default=("none", Reached()))
        rows.append(
            (
                floor.folder,
                f"{whole.percent:.1f} %",
                f"{floor.percent:g} %",
                f"{whole.reached} of {whole.total}",
                f"{path} {one.percent:.1f} %",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def main(path: str) -> int:
    """Print what is short, then the table; return 1 when something is short."""
    files = reached_by_file(json.loads(Path(path).read_bytes()))
    short = list(shortfalls(files))
    sys.stdout.write("".join(f"{sentence}\n" for sentence in short))
    sys.stdout.write(table(files))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
