"""Numbers, money, sizes, times, warnings and errors as text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from runner.rules import counted, money, shell_words
from runner.rules.prices import TICKS_PER_USD
from runner.rules.redact import one_line, plain
from runner.rules.states import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.costs.estimate import Span
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.errors import UserError

_REASON_LENGTH: Final = 200
_HALF_A_DAY_MS: Final = 12 * 3_600_000
_HALF_A_YEAR_MS: Final = 182 * 86_400_000

dollars = money.dollars
shell_word = shell_words.shell_word
count = counted.count


def error_block(error: UserError) -> str:
    """Return an error as a block: what happened, where, how to fix it."""
    lines = [f"error: {plain(error.what)}", *(f"  {plain(line)}" for line in error.where)]
    if error.fix:
        lines.append(f"fix: {plain(error.fix)}")
    return "\n".join(lines)


def short_number(n: int) -> str:
    """Return a number in at most six characters: 9,999, then 10k, 1.2M, 3.4G."""
    if n < 10_000:
        return f"{n:,}"
    if n < 10**6:
        return f"{n / 1_000:.0f}k"
    return f"{n / 10**6:,.1f}M" if n < 10**9 else f"{n / 10**9:,.1f}G"


def last_word(value: str) -> str:
    """Return a value as the last argument of a printed command; one that begins with a dash is no flag."""
    word = shell_word(value)
    return f"-- {word}" if value.startswith("-") else word


def dollar_range(ticks: Span) -> str:
    """Return an amount from low to high without a sign: cents, or four decimals if cents would hide it."""
    places = 2 if ticks.low >= TICKS_PER_USD // 10 else 4
    low, high = (f"{amount / TICKS_PER_USD:,.{places}f}" for amount in (ticks.low, ticks.high))
    return low if low == high else f"{low}-{high}"


def short_range(numbers: Span) -> str:
    """Return a number from low to high, short."""
    low, high = short_number(numbers.low), short_number(numbers.high)
    return low if low == high else f"{low}-{high}"


def size(n_bytes: int) -> str:
    """Return a size: `812 bytes`, `4.2 MB`."""
    return count(n_bytes, "byte") if n_bytes < 10_000 else f"{n_bytes / 1e6:,.2f} MB"


def duration(seconds: float) -> str:
    """Return a span of time with at most two units: `3.2 s`, `42 s`, `12m 05s`, `3h 04m`, `2d 3h`."""
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
    """Return a near time on the local clock: `Tue 14:03`."""
    return _local(at_ms).strftime("%a %H:%M")


def recent_time(at_ms: int, now_ms: int) -> str:
    """Return a time on the local clock: `14:03:12`, or with its date where it is half a day ago or more."""
    form = "%H:%M:%S" if now_ms - at_ms < _HALF_A_DAY_MS else "%Y-%m-%d %H:%M"
    return _local(at_ms).strftime(form)


def timestamp(at_ms: int | None) -> str:
    """Return a time in full on the local clock, or a dash."""
    return "-" if at_ms is None else _local(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def listed_time(at_ms: int | None, now_ms: int) -> str:
    """Return a time on the local clock in 12 characters, as `ls -l` shows it, or a dash.

    `Nov 28 18:41`, or `Nov 28  2025` where it is more than half a year ago.
    """
    if at_ms is None:
        return "-"
    form = "%b %d %H:%M" if now_ms - at_ms < _HALF_A_YEAR_MS else "%b %d  %Y"
    return _local(at_ms).strftime(form)


def iso_or_none(at_ms: int | None) -> str | None:
    """Return a time for programs; None for None."""
    return None if at_ms is None else iso(at_ms)


def iso(at_ms: int) -> str:
    """Return a time for programs: UTC, milliseconds, `Z`."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def state_words(state: RunState, pause_reason: str | None) -> str:
    """Return a run's state, with the reason if it is paused."""
    return f"{state} ({pause_reason})" if state is RunState.PAUSED and pause_reason else str(state)


def warning_lines(warnings: Sequence[Diagnostic], total: int) -> list[str]:
    """Return warnings grouped by code and reason, each with the first line it was found on."""
    groups: dict[tuple[str, str], list[Diagnostic]] = {}
    for warning in warnings:
        groups.setdefault((warning.code, warning.reason), []).append(warning)
    lines = []
    for (code, reason), group in groups.items():
        first = group[0]
        where = f"line {first.line}" + (f" and {len(group) - 1:,} more" if len(group) > 1 else "")
        sentence = plain(f"{where}: {one_line(reason, _REASON_LENGTH)} [{code}]; {first.fix}")
        lines.append(f"warning: {sentence}")
    if total > len(warnings):
        lines.append(f"warning: … and {count(total - len(warnings), 'more warning')}")
    return lines


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
