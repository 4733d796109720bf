"""Prices are whole ticks, by the model that answered; an unknown price is never 0."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules import models
from runner.rules.errors import UsageError
from runner.rules.money import Price, dollars, estimate_price, price, usd
from runner.rules.prices import parse_own_prices, price_row, prices_as_of
from runner.rules.replies.chat_completion import Usage

BEFORE, AFTER = date(2026, 5, 14), date(2026, 5, 15)
TODAY = date(2026, 11, 23)
COUNTS = st.integers(0, 10**6)


def used(prompt: int, completion: int, total: int | None = None, *, cached: int = 0, image: int = 0) -> Usage:
    return Usage(
        prompt=prompt,
        cached=cached,
        image=image,
        completion=completion,
        reasoning=0,
        total=prompt + completion if total is None else total,
        reported_ticks=None,
    )


def test_the_formula_gives_the_charge_xai_reported() -> None:
    """For grok-4.20: 9,992 uncached, 128 cached, 1,499 completion and 2,809 reasoning tokens."""
    usage = used(10_120, 1_499, 10_120 + 1_499 + 2_809, cached=128)
    assert price(usage, "grok-4.20-0309-reasoning", TODAY) == Price(
        ticks=232_856_000, source="estimated", as_of=prices_as_of
    )


def test_the_reported_charge_comes_before_the_table() -> None:
    """It is what was billed, after every discount and fee; a reported 0 counts too."""
    for ticks in (0, 1, 58_965_000):
        usage = replace(used(703, 4, 957), reported_ticks=ticks)
        assert price(usage, "no-such-model", TODAY) == Price(ticks=ticks, source="reported")


@pytest.mark.parametrize(
    ("usage", "model"),
    [(None, "grok-4.3"), (used(1, 1), "no-such-model"), (used(1, 1), None), (used(1, 1), "")],
)
def test_what_has_no_price_is_unknown_and_never_0(usage: Usage | None, model: str | None) -> None:
    """A sum that includes it as 0 would be wrong without a trace."""
    assert price(usage, model, TODAY) == Price(ticks=None, source="unknown")


@pytest.mark.parametrize(
    ("model", "at", "prompt", "dollars"),
    [
        # a million tokens each of uncached, cached and output, scaled to the prompt's tier
        ("grok-4-0709", BEFORE, 128_000, ("3.00", "0.75", "15.00")),
        ("grok-4", BEFORE, 128_001, ("6.00", "1.50", "30.00")),
        ("grok-4-latest", AFTER, 128_001, ("1.25", "0.20", "2.50")),
        ("grok-4-0709", TODAY, 200_000, ("2.50", "0.40", "5.00")),
        ("grok-3", TODAY, 10, ("1.25", "0.20", "2.50")),
        ("grok-code-fast-1", TODAY, 10, ("1.00", "0.20", "2.00")),
        ("grok-4.7", TODAY, 199_999, ("2.00", "0.50", "6.00")),
        ("grok-4.6", TODAY, 200_000, ("4.00", "1.00", "12.00")),
        ("grok-4.5", TODAY, 1, ("2.00", "0.30", "6.00")),
        ("grok-4.5", TODAY, 200_000, ("4.00", "0.60", "12.00")),
        ("grok-4.3", TODAY, 199_999, ("1.25", "0.20", "2.50")),
        ("grok-4.3-latest", TODAY, 200_001, ("2.50", "0.40", "5.00")),
        ("grok-build-0.1", TODAY, 200_000, ("2.00", "0.40", "4.00")),
    ],
)
def test_the_table_has_the_published_prices(
    model: str, at: date, prompt: int, dollars: tuple[str, str, str]
) -> None:
    """USD per million input, cached and output tokens; a retired name costs what its successor costs."""
    row = price_row(model, at)
    assert row is not None
    rates = row.rates_for(prompt)
    assert (rates.input_ticks, rates.cached_ticks, rates.output_ticks) == tuple(
        int(Decimal(usd_) * 10_000) for usd_ in dollars
    )
    assert rates.image_ticks == rates.input_ticks


def test_every_model_of_the_catalogue_has_a_price_today() -> None:
    """Without one its cost would not count against a budget."""
    assert [name for name in models.names() if price_row(name, TODAY) is None] == []


def test_a_row_is_in_force_from_its_first_day_until_the_day_it_ends() -> None:
    """The last day is the one before `until`, so that rows can follow each other without a gap."""
    row = price_row("grok-4-0709", BEFORE)
    assert row is not None
    dated = replace(row, since=BEFORE, until=TODAY)
    assert [dated.is_in_force(at) for at in (date(2026, 5, 13), BEFORE, date(2026, 11, 22), TODAY)] == [
        False,
        True,
        True,
        False,
    ]


def test_old_prices_that_are_not_in_the_table_are_unknown() -> None:
    """Before its retirement grok-3 had prices that the table does not have."""
    assert price_row("grok-3", BEFORE) is None


def test_priority_and_the_us_host_multiply_the_tokens() -> None:
    """By 2 if the response has that tier; by 1.1 on us.api.x.ai."""
    usage = used(1_000, 100)
    plain = price(usage, "grok-4.6", TODAY).ticks
    assert plain == 1_000 * 20_000 + 100 * 60_000
    assert price(usage, "grok-4.6", TODAY, service_tier="priority").ticks == 2 * plain
    assert price(usage, "grok-4.6", TODAY, service_tier="default", base_host="api.x.ai").ticks == plain
    assert price(usage, "grok-4.6", TODAY, base_host="us.api.x.ai").ticks == plain * 11 // 10


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_price_is_never_negative_nor_above_its_estimate(
    prompt: int, cached: int, image: int, output: int, total: int
) -> None:
    """Also if the details contradict the sums; the estimate is the worst case for the same tokens."""
    usage = used(prompt, output, total, cached=cached, image=image)
    found = price(usage, "grok-4.3", TODAY)
    worst = estimate_price(prompt, max(output, total - prompt), "grok-4.3", TODAY)
    assert found.ticks is not None
    assert worst.ticks is not None
    assert 0 <= found.ticks <= worst.ticks


@given(COUNTS, COUNTS)
def test_reasoning_is_billed_under_either_convention(prompt: int, visible: int) -> None:
    """Output is at least total minus prompt, whether completion_tokens includes the reasoning or not."""
    outside = price(used(prompt, visible, prompt + visible + 500), "grok-4.3", TODAY)
    inside = price(used(prompt, visible + 500, prompt + visible + 500), "grok-4.3", TODAY)
    assert outside == inside


def test_images_have_their_own_rate_where_the_user_gives_one() -> None:
    """Own prices take precedence over the table, by any name of the model, and are named as the source."""
    own = parse_own_prices({"grok-4-0709": {"input": 1, "cached": "0.5", "output": 2.25, "image": 10}})
    usage = used(100, 10, cached=20, image=30)
    assert price(usage, "grok-4", TODAY, own_prices=own) == Price(
        ticks=50 * 10_000 + 20 * 5_000 + 30 * 100_000 + 10 * 22_500, source="estimated", as_of="runner.toml"
    )
    assert price(usage, "grok-4.3", TODAY, own_prices=own).as_of == prices_as_of
    assert estimate_price(1, 0, "grok-4-latest", TODAY, own_prices=own).ticks == 10_000


def test_own_prices_may_have_a_long_tier() -> None:
    """It applies to prompts of `long_from` tokens or more."""
    own = parse_own_prices(
        {"my-model": {"input": 1, "output": 2, "long_from": 100, "long": {"input": 3, "output": 4}}}
    )
    assert estimate_price(99, 1, "my-model", TODAY, own_prices=own).ticks == 99 * 10_000 + 20_000
    assert estimate_price(100, 1, "my-model", TODAY, own_prices=own).ticks == 100 * 30_000 + 40_000


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (3, "is no table"),
        ({"input": 1}, "lacks output"),
        ({"output": 1}, "lacks input"),
        ({"input": -1, "output": 1}, "no number"),
        ({"input": "much", "output": 1}, "no number"),
        ({"input": float("nan"), "output": 1}, "no number"),
        ({"input": float("inf"), "output": 1}, "no number"),
        ({"input": True, "output": 1}, "no number"),
        ({"input": 1, "output": 1, "outptu": 1}, "no setting outptu"),
        ({"input": 1, "output": 1, "long_from": 10}, "lacks long"),
        ({"input": 1, "output": 1, "long_from": "10", "long": {}}, "no number"),
        ({"input": 1, "output": 1, "long_from": 10, "long": 3}, "no number"),
    ],
)
def test_wrong_own_prices_are_refused_in_a_sentence(row: object, message: str) -> None:
    """A mistake here would make all costs wrong."""
    with pytest.raises(UsageError, match=message) as refused:
        parse_own_prices({"grok-4": row})
    assert 'prices."grok-4"' in refused.value.what


def test_an_estimate_of_an_unknown_model_is_unknown() -> None:
    """It is None and never 0, so that a budget can refuse it."""
    assert estimate_price(10, 10, "no-such-model", TODAY).ticks is None


@pytest.mark.parametrize(
    ("ticks", "dollars"),
    [
        (0, "0.00000000"),
        (1, "0.00000000"),
        (49, "0.00000000"),
        (50, "0.00000001"),
        (-50, "-0.00000001"),
        (-1, "0.00000000"),
        (232_856_000, "0.02328560"),
        (10**10, "1.00000000"),
        (10**24 + 1, "100000000000000.00000000"),
    ],
)
def test_dollars_have_8_exact_decimals(ticks: int, dollars: str) -> None:
    """No float is involved."""
    assert usd(ticks) == dollars


@given(st.integers(0, 10**26))
def test_dollars_are_the_decimal_rounding(ticks: int) -> None:
    """Rounding is half up."""
    with localcontext(prec=60):
        rounded = Decimal(ticks).scaleb(-10).quantize(Decimal("1e-8"), rounding=ROUND_HALF_UP)
    assert Decimal(usd(ticks)) == rounded


@pytest.mark.parametrize(
    ("ticks", "shown"),
    [
        (0, "$0.0000"),
        (1, "<$0.0001"),
        (499_999, "<$0.0001"),
        (500_000, "$0.0001"),
        (9_999_000_000, "$0.9999"),
        (10**10, "$1.00"),
        (12_345 * 10**10, "$12,345.00"),
    ],
)
def test_dollars_for_people_are_short(ticks: int, shown: str) -> None:
    """Cents from one dollar on; a tiny amount is never shown as nothing."""
    assert dollars(ticks) == shown
