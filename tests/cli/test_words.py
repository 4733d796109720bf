"""Small pure parts of the command line: durations, money, ending texts."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.cli.render import text
from runner.cli.render.runs.summary_table import summary_lines
from runner.cli.render.text import warning_lines
from runner.cli.session.following.recent_growth import RecentGrowth
from runner.cli.value_types import Duration, NumberOrNone
from runner.rules.command_line import rerun_command
from runner.rules.diagnostics import Diagnostic
from runner.rules.errors import UserError
from runner.rules.explain import explain
from runner.rules.states import PauseReason, RunState
from runner.rules.summary import RunFacts, summarize
from runner.rules.summary_object import SummaryFiles, WrittenFile


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("2d", 172800.0),
    ],
)
def test_a_span_of_time_is_read(word: str, seconds: float) -> None:
    """Plain seconds, or numbers with units."""
    assert seconds == Duration().convert(word, None, None)


@pytest.mark.parametrize("word", ["", "0", "0s", "-1", "h", "1x", "1h 30", "nan", "inf", "1e9"])
def test_what_is_no_span_of_time_is_refused(word: str) -> None:
    """The error has examples of valid values."""
    with pytest.raises(click.BadParameter, match=r"write 90s, 15m|at most 3650d"):
        Duration().convert(word, None, None)


def test_a_rate_is_a_number_or_none() -> None:
    """`none` is 0 inside: no limit."""
    assert (NumberOrNone().convert("none", None, None), NumberOrNone().convert("60", None, None)) == (0, 60)
    for word in ("0", "-1", "1.5", "many", "٣", "9" * 13):
        with pytest.raises(click.BadParameter, match=r"none$"):
            NumberOrNone().convert(word, None, None)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.04, "0.0 s"), (3.24, "3.2 s"), (42, "42 s"), (59.6, "1m 00s"), (725, "12m 05s"), (11045, "3h 04m"),
     (183600, "2d 3h"), (-1, "0.0 s")],
)  # fmt: skip
def test_a_span_of_time_is_reported_in_at_most_two_units(seconds: float, expected: str) -> None:
    """Rounded as a person would write it."""
    assert expected == text.duration(seconds)


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [(0, "$0.0000"), (1, "<$0.0001"), (10**6, "$0.0001"), (123_456_789, "$0.0123"), (10**10 - 1, "$1.0000"),
     (10**10, "$1.00"), (12_345_600_000_000, "$1,234.56")],
)  # fmt: skip
def test_money_is_reported_in_cents_from_a_dollar_on(ticks: int, expected: str) -> None:
    """Below it with four decimals; a small amount is never shown as zero."""
    assert expected == text.dollars(ticks)


@given(st.integers(1, 10**16))
def test_money_is_never_shown_as_zero(ticks: int) -> None:
    """However small it is."""
    assert text.dollars(ticks) != "$0.0000"


@given(steps=st.lists(st.tuples(st.floats(0, 40), st.integers(0, 9)), min_size=1, max_size=60))
def test_what_was_added_lately_is_at_most_what_was_added(steps: list[tuple[float, int]]) -> None:
    """And all of it while a minute is not over."""
    lately, at_s, number = RecentGrowth(), 0.0, 0
    lately.add(0.0, 0)
    for later_s, more in steps:
        at_s, number = at_s + later_s, number + more
        found = lately.add(at_s, number)
        assert 0 <= found <= number
        if at_s < 60:
            assert found == number


def test_the_command_to_continue_never_contains_new() -> None:
    """--new would pay again; the command is quoted, so that it can be pasted."""
    assert rerun_command(["run", "my jobs.jsonl", "--new", "-q"]) == "runner run 'my jobs.jsonl' -q"
    assert rerun_command(["run", "a\nb"]) == r"runner run $'a\x0ab'"


def test_the_command_to_continue_undoes_nothing_that_was_set() -> None:
    """In both spellings; what belongs to the call stays."""
    words = ["run", "a.jsonl", "--rpm", "60", "--budget=5", "--timeout", "12s", "--on-end", "mail x", "-q"]
    assert rerun_command(words) == "runner run a.jsonl --timeout 12s -q"


def test_a_command_that_is_run_again_names_its_occasion() -> None:
    """In both spellings; nothing else that looks like it is touched."""
    words = ["run", "--occasion", "today", "-o", "today", "--occasion=today"]
    expected = "runner run --occasion 2026-11-28 -o today --occasion=2026-11-28"
    assert rerun_command(words, "2026-11-28") == expected
    assert rerun_command(words) == "runner run --occasion today -o today --occasion=today"


def test_an_error_is_a_block_and_hostile_text_is_text() -> None:
    """What, where, fix; no escape reaches the terminal."""
    error = UserError("bad\x1b[31m file", where=("line 1: no\nnewline",), fix="repair it")

    assert text.error_block(error).splitlines() == [
        "error: bad\\x1b[31m file",
        "  line 1: no\\nnewline",
        "fix: repair it",
    ]


def test_equal_warnings_are_reported_once() -> None:
    """With the first line that has it."""
    same = [
        Diagnostic(
            line=n,
            column=None,
            code="retired-model",
            reason="it is old",
            fix="name another",
            severity="warning",
        )
        for n in (3, 4, 9)
    ]

    assert warning_lines(same, 3) == ["warning: line 3 and 2 more: it is old [retired-model]; name another"]
    assert warning_lines(same, 10)[-1] == "warning: … and 7 more warnings"


def test_the_summary_of_a_run_is_reported_in_full() -> None:
    """Counts, cost by source, failures with an example each; hostile names are escaped."""
    counters = {
        ("state", "succeeded"): 7,
        ("state", "failed"): 2,
        ("state", "cancelled"): 1,
        ("code", "safety"): 2,
        ("ticks", "reported"): 2 * 10**10,
        ("ticks", "estimated"): 10**10,
        ("ticks", "probable_extra"): 3 * 10**8 + 12,
        ("ticks", "probable_unavailable"): 12,
        ("ticks", "possible_extra"): 10**9,
        ("unread", "answers"): 3,
        ("unread", "refused_prompts"): 1,
        ("unread", "unavailable"): 2,
        ("extra", "ambiguous"): 3,
        ("unknown", "jobs"): 1,
        ("returned", "grok-4.3 -> gr\x1bok"): 2,
        ("flaw", "length"): 3,
        ("model_jobs", "grok-4.3"): 6,
        ("model_jobs", "gr\x1bok"): 2,
        ("model_ticks", "grok-4.3"): 2 * 10**10,
        ("model_ticks", "gr\x1bok"): 10**10,
    }
    run = RunFacts(
        id=7,
        name="re\x1bviews",
        state=RunState.PAUSED,
        paused_by=PauseReason.USER,
        started_at_s=0.0,
        finished_at_s=None,
        prices_as_of="2026-09-29",
        files=SummaryFiles(
            results=WrittenFile(name="o.jsonl", sha256="", lines=7, bytes=7),
            errors=WrittenFile(name="o.errors.jsonl", sha256="", lines=2, bytes=2),
        ),
        examples={"safety": "r-\x07", "length": "r-3"},
    )
    shown = "\n".join(summary_lines(summarize(run, counters), "out/"))

    assert "\x1b" not in shown
    assert "\x07" not in shown
    for words in (
        "run 7, re\\x1bviews: paused (user)",
        "succeeded   7  out/o.jsonl",
        "failed      2  out/o.errors.jsonl",
        "total      10",
        "extra: 3 ambiguous",
        "warning: 2 answers came from another model than asked for: grok-4.3 -> gr\\x1bok",
        "2  safety  such as r-\\x07",
        "runner retry 7 --failed --code safety",
        "3  length  such as r-3",
        "runner summary 7 --ids length",
        "$1.00 gr\\x1bok, 2 answers",
    ):
        assert words in shown
    on_one_line = " ".join(shown.split())
    assert "$2.00 reported by the API, $1.00 estimated, unknown for 1 answer" in on_one_line
    assert (
        "about $0.0300 more, at most $0.1000, for 3 answers that nobody could read and fees for"
        " 1 refused prompt about <$0.0001 more, if 2 replies of 503 hid a paid answer"
    ) in on_one_line
    assert "unknown for 1 answer" in on_one_line
    assert explain("safety") in on_one_line
