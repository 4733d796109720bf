"""Puts the bad lines of a job file aside, in a file of their own that replaces no other."""

from __future__ import annotations

import os
from itertools import count, islice, takewhile
from typing import TYPE_CHECKING

from runner.rules.occasion import stem_of_file
from runner.tables.draft_file import DraftFile, is_same_file
from runner.tables.lines import Line, LineReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from runner.rules.summary_object import WrittenFile


def put_aside(source: Path, numbers: Iterable[int]) -> Path:
    """Write the lines with these numbers, ascending, unchanged to FILE.bad.jsonl beside it; return its path.

    Lines that are too long are left out. What is there already stays: a file with the same content is the
    one, else the next free name is taken, FILE.bad.2.jsonl. Raises UserError where it cannot be written.
    """
    taken, target = _free_name(source)
    with DraftFile(target) as draft:
        for line in _lines(source, numbers):
            draft.add(line)
        written = draft.finish()
        while True:
            same = next((path for path in taken if _has_content(path, written)), None)
            if same is not None:
                return same
            if draft.publish_new(target):
                return target
            taken, target = _free_name(source)


def _free_name(source: Path) -> tuple[list[Path], Path]:
    """Return the first names, as many as are taken, and the next one."""
    taken = list(takewhile(os.path.lexists, _names(source)))
    return taken, next(islice(_names(source), len(taken), None))


def _names(source: Path) -> Iterator[Path]:
    stem = stem_of_file(source.name)
    yield source.with_name(f"{stem}.bad.jsonl")
    yield from (source.with_name(f"{stem}.bad.{number}.jsonl") for number in count(2))


def _lines(source: Path, numbers: Iterable[int]) -> Iterator[bytes]:
    wanted = iter(numbers)
    number = next(wanted, 0)
    for item in LineReader(source):
        if (item.number if isinstance(item, Line) else item.line) == number:
            if isinstance(item, Line):
                yield item.raw + b"\n"
            number = next(wanted, 0)


def _has_content(path: Path, written: WrittenFile) -> bool:
    try:
        return path.is_file() and is_same_file(path, written)
    except OSError:
        return False
