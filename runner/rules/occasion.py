"""Occasions: the word for one time that a file is run on purpose, such as a night, and what it names.

A run of an occasion is called STEM@OCCASION, a further one of the same occasion STEM@OCCASION.2 and so on. An
occasion has no "@", so the last one of a name ends its stem.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from runner.rules.os_text import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

TODAY: Final = "today"
CARRY_ON_MS: Final = 20 * 3600 * 1000  # less than a day, so that a night never takes the place of the next
_OCCASION: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ENDINGS: Final = (".jsonl", ".csv", ".tsv", ".tab", ".parquet")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")


def is_occasion(word: str) -> bool:
    """Return whether a word may be an occasion, `today` among them."""
    return _OCCASION.fullmatch(word) is not None


def is_today(word: str) -> bool:
    """Return whether a word stands for the local date; as a fixed word it would run once only."""
    return word.lower() == TODAY


def day_word(local: datetime) -> str:
    """Return the occasion `today` at a local time: its date as YYYY-MM-DD."""
    return local.date().isoformat()


def days_beside(day: str) -> tuple[str, str]:
    """Return the days before and after a date, as occasions.

    The one after counts too: a computer with another time zone may have begun the same night under it.
    """
    found = date.fromisoformat(day)
    one = timedelta(days=1)
    return (found - one).isoformat(), (found + one).isoformat()


def run_name(stem: str, occasion: str, number: int = 1) -> str:
    """Return the name of the run with this number among those of a stem and an occasion, from 1."""
    return f"{stem}@{occasion}" if number == 1 else f"{stem}@{occasion}.{number}"


def next_number(names: Iterable[str], stem: str, occasion: str) -> int:
    """Return the number of the next run, given the names of the runs of this stem and occasion."""
    return max((_number(name, run_name(stem, occasion)) for name in names), default=0) + 1


def stem_of(name: str, occasion: str | None) -> str:
    """Return what the runs of all occasions of a file have in common; a name without one is its own stem."""
    return name if occasion is None else name.rpartition("@")[0]


def stem_of_file(file_name: str) -> str:
    """Return the name of a job file or a table without the endings."""
    name = file_name.removesuffix(".gz")
    return next((name.removesuffix(end) for end in _ENDINGS if name.endswith(end)), name)


def stem_of_run(file_name: str) -> str:
    """Return the stem of the names of a file's runs: its name without the endings, as text."""
    return as_text(stem_of_file(file_name))


def file_stem(stem: str, name: str) -> str:
    """Return what the files of a run of an occasion are called: STEM.OCCASION, or STEM.OCCASION.2."""
    return f"{stem}.{name.rpartition('@')[2]}"


def _number(name: str, first: str) -> int:
    """Return the number in a name, given the name of the first run; 0 for a name of another form."""
    if name == first:
        return 1
    number = name.removeprefix(f"{first}.")
    return int(number) if number != name and _NUMBER.fullmatch(number) else 0
