"""Numbers as people write them: what is read, and what is refused with a sentence."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.costs.budget import parse_usd
from runner.rules.numbers import COUNT_MAX, NumberError, parse_count, parse_decimal, parse_span_s
from runner.rules.prices import TICKS_PER_USD
from runner.simulator.number_flags import plain

if TYPE_CHECKING:
    from collections.abc import Callable

PARSERS: tuple[Callable[[str], object], ...] = (parse_count, parse_decimal, parse_usd, parse_span_s, plain)
HOSTILE = (
    *("", " ", "-", "+5", "-5", "\u22125", "1_000", "1 000", "1\u00a0000", "1'000", "1\u202f000", "1\n0"),
    *(
        "\u0661\u0662",
        "\uff11\uff12",
        "\u0967",
        "\u00b2",
        "\u00bd",
        "1e3",
        "1E3",
        "1e-3",
        "0x10",
        "0b1",
        "0o7",
    ),
    *("nan", "NaN", "inf", "-inf", "Infinity", "true", "None", "5,50", "0,75", "1,5", "1,00,000", "1,0000"),
    *("0,750", ",500", "1,", "1,000,", "1.000,50", "1.000.000", "1..5", ".", "5.", "5,000,00", "$", "$$5"),
    *(" 5", "5 ", "5\n", "\t5", "\u00a05", "5\u3000", "\u221e", "-0", "5 USD", "1 h", "1h30", "10M", "1,00"),
    *("20 USD", "20USD", "\u20ac20", "5%", "1/2", "1k", "9" * 40, "1\x00", "\u200b5", "5\u200b", "--5"),
)


def test_what_is_no_number_is_refused() -> None:
    """By every parser, with a sentence that says how to write it."""
    taken = [(parse.__name__, text) for parse in PARSERS for text in HOSTILE if not fault(parse, text)]

    assert taken == []


def fault(parse: Callable[[str], object], text: str) -> str:
    """Return the sentence of a refusal; "" if the text is taken, or the sentence does not help."""
    try:
        parse(text)
    except ValueError as refused:
        sentence = str(refused)
        helps = parse is plain or ("write " in sentence and len(sentence) < 200)
        return sentence if helps else ""
    return ""


@pytest.mark.parametrize(("text", "meant"), [("5,50", "5.50"), ("0,75", "0.75"), ("$5,5", "5.5")])
def test_a_decimal_comma_is_shown_as_a_point(text: str, meant: str) -> None:
    """The likeliest meaning of a comma with one or two digits after it."""
    with pytest.raises(NumberError) as refused:
        parse_usd(text)

    assert str(refused.value).endswith(f"write {meant}")


def test_a_count_has_an_end() -> None:
    """Where numbers stop to be exact in other programs."""
    assert parse_count(str(COUNT_MAX)) == COUNT_MAX
    with pytest.raises(NumberError, match=f"is more than {COUNT_MAX:,}"):
        parse_count(str(COUNT_MAX + 1))


@given(st.integers(0, COUNT_MAX))
def test_a_count_is_read_with_and_without_groups(number: int) -> None:
    """Commas between groups of three, as this program prints numbers."""
    assert parse_count(str(number)) == parse_count(f"{number:,}") == number


@given(st.decimals(0, 10**8, places=4))
def test_a_decimal_is_read_exactly(number: Decimal) -> None:
    """There is no float in between."""
    assert parse_decimal(f"{number:,f}") == number
    if number:
        assert parse_usd(f"{number:f}") == number * TICKS_PER_USD


@given(st.text())
def test_any_text_is_a_number_or_an_error(text: str) -> None:
    """Whatever is read consists of the digits 0 to 9, points, commas, units and a dollar sign."""
    for parse in PARSERS:
        try:
            parse(text)
        except ValueError:
            continue
        assert set(text) <= set("0123456789.,$dhms")


@pytest.mark.parametrize(
    ("text", "span_s"),
    [
        ("90", 90),
        ("1,000s", 1000),
        ("1.5h", 5400),
        ("1d2h3m4.5s", 93784.5),
        ("1.5h30m", 7200),
        ("3650d", 315360000),
    ],
)
def test_a_span_is_the_sum_of_its_parts(text: str, span_s: float) -> None:
    """Days, hours, minutes and seconds, in this order and each at most once."""
    assert parse_span_s(text) == span_s


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1h30", "each of its numbers needs a unit"),
        ("1m1h", "in the order d, h, m, s, each once"),
        ("1h1h", "in the order d, h, m, s, each once"),
        ("6M", "its units are d, h, m and s, in small letters"),
        ("2H", "its units are d, h, m and s, in small letters"),
        ("1h 30m", "it has a space or _ in it"),
        ("1 h", "it has a space or _ in it"),
        ("1,5h", "write 1.5h"),
        ("h", "is no span of time"),
        ("1w", "is no span of time"),
        ("1:30", "is no span of time"),
        ("1.h", "is no span of time"),
        ("1e2s", "is no span of time"),
        ("0", "is not more than 0 and at most 3650d"),
        ("0s", "is not more than 0 and at most 3650d"),
        ("3651d", "is not more than 0 and at most 3650d"),
    ],
)
def test_what_is_no_span_is_refused(text: str, why: str) -> None:
    """Also what can be meant in two ways, and what is longer than ten years: timers cannot hold it."""
    with pytest.raises(NumberError) as refused:
        parse_span_s(text)

    assert why in str(refused.value)


def test_a_span_that_removes_things_has_a_unit() -> None:
    """30 seconds may be meant as 30 days."""
    assert parse_span_s("30d", needs_unit=True) == 30 * 86_400
    with pytest.raises(NumberError, match="write 30d for days, or h, m or s"):
        parse_span_s("30", needs_unit=True)


COUNTS: dict[str, int] = {"5": 5, "0": 0, "007": 7, "1,000": 1000, "1,234,567": 1234567}
DECIMALS: dict[str, str] = {
    **{text: str(n) for text, n in COUNTS.items()},
    ".5": "0.5",
    "1.5": "1.5",
    "1.000": "1",
}


@pytest.mark.parametrize("text", [*HOSTILE, *DECIMALS, "1,000.5", "10m", "1.5"], ids=ascii)
def test_each_form_is_read_in_one_way(text: str) -> None:
    """A count and a decimal are what the table says, or an error; the simulator's parser agrees."""
    decimals = {**DECIMALS, "1,000.5": "1000.5"}
    assert _read(parse_count, text) == COUNTS.get(text)
    assert _read(parse_decimal, text) == (Decimal(decimals[text]) if text in decimals else None)
    assert _read(lambda word: Decimal(plain(word)), text) == _read(parse_decimal, text)
    if not text.startswith("$"):
        assert _read(parse_usd, f"${text}") == _read(parse_usd, text)


def _read(parse: Callable[[str], object], text: str) -> object:
    """Return what a text means, None for an error."""
    try:
        return parse(text)
    except ValueError:
        return None
