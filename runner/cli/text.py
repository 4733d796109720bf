"""Plain words for people: numbers, money, times, tables, and where they are printed. No escapes."""

from __future__ import annotations

import shlex
import sys
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from runner.rules import money
from runner.rules.redact import plain
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.errors import UserError

WIDTH: Final = 80
_GAP: Final = 2  # between columns, and before them where a block is indented

dollars = money.dollars


def out(lines: str = "") -> None:
    """Print what was asked for; whatever is in it, a terminal obeys none of it."""
    sys.stdout.write(f"{_harmless(lines)}\n")


def note(lines: str) -> None:
    """Print a word beside it: progress, notes, warnings, errors; as harmless as `out`."""
    sys.stderr.write(f"{_harmless(lines)}\n")
    sys.stderr.flush()


def _harmless(lines: str) -> str:
    return lines if lines.isprintable() else "\n".join(plain(line) for line in lines.split("\n"))


def error_block(error: UserError) -> str:
    """Write an error as a block: what happened, where, how to mend it."""
    lines = [f"error: {plain(error.what)}", *(f"  {plain(line)}" for line in error.where)]
    if error.fix:
        lines.append(f"fix: {plain(error.fix)}")
    return "\n".join(lines)


def of(n: int, one: str, many: str | None = None) -> str:
    """Count things: `1 job`, `2,000 jobs`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def short(n: int) -> str:
    """Write a number in at most six characters: 9,999, then 10k, 1.2M, 3.4G."""
    if n < 10_000:
        return f"{n:,}"
    if n < 10**6:
        return f"{n / 1_000:.0f}k"
    return f"{n / 10**6:,.1f}M" if n < 10**9 else f"{n / 10**9:,.1f}G"


def word(value: str) -> str:
    """Write a value so that a shell takes it for one word."""
    return shlex.quote(value)


def size(n_bytes: int) -> str:
    """Write a size: `812 bytes`, `4.2 MB`."""
    return of(n_bytes, "byte") if n_bytes < 10_000 else f"{n_bytes / 1e6:,.2f} MB"


def duration(seconds: float) -> str:
    """Write a span of time with at most two units: `3.2 s`, `42 s`, `12m 05s`, `3h 04m`, `2d 3h`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 2 * 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def moment(at_ms: int) -> str:
    """Write a near time on the local clock: `Tue 14:03`."""
    return _local(at_ms).strftime("%a %H:%M")


def timestamp(at_ms: int | None) -> str:
    """Write a time in full on the local clock, or a dash."""
    return "-" if at_ms is None else _local(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def iso(at_ms: int | None) -> str | None:
    """Write a time for programs: UTC, milliseconds, `Z`."""
    if at_ms is None:
        return None
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def state_words(state: RunState, pause_reason: str | None) -> str:
    """Name a run's state, with the reason where it is paused."""
    return f"{state} ({pause_reason})" if state is RunState.PAUSED and pause_reason else str(state)


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Align columns; those in `right` to the right. The first row may be a heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Write each name with what is said beside it, broken into lines that end within WIDTH."""
    names = max((len(name) for name, _ in rows), default=0)
    return table(
        [
            (name if nth == 0 else "", line)
            for name, said in rows
            for nth, line in enumerate(wrapped(said, WIDTH - names - 2 * _GAP))
        ]
    )


def wrapped(said: str, width: int) -> list[str]:
    """Break a sentence into lines; never within a word, so that commands can be copied."""
    return textwrap.wrap(said, width, break_long_words=False, break_on_hyphens=False) or [""]


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
