"""The price table: prices.toml, and the user's own `[prices]`, which take precedence."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.rules import models
from runner.rules.errors import UsageError
from runner.rules.numbers import NumberError, parse_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping

TICKS_PER_USD: Final = 10**10
_TICKS_PER_TOKEN: Final = TICKS_PER_USD // 10**6  # at 1 USD per million tokens
_USD_MAX: Final = 10**6  # per million tokens; more is a typing error
OWN: Final = "runner.toml"
_DAY_MS: Final = 86_400_000
_USD_FIX: Final = "give USD per million tokens, like 0.75"
_OWN_FIELDS: Final = frozenset({"input", "cached", "output", "image", "long_from", "long"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices in ticks per token. `image_ticks` is for an input token that encodes an image."""

    input_ticks: int
    cached_ticks: int
    image_ticks: int
    output_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRow:
    """One model's rates over some days (UTC): from `since` (None: always) to the day before `until`.

    A prompt of `long_from` tokens or more pays `long` for all its tokens. `as_of` is the day of the table, or
    "runner.toml" for the user's own prices.
    """

    rates: Rates
    long: Rates
    as_of: str
    long_from: int | None = None
    since: date | None = None
    until: date | None = None

    def is_in_force(self, at: date) -> bool:
        """Return whether the row is in force on that day."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def rates_for(self, prompt_tokens: int) -> Rates:
        """Return the rates for a prompt of that length."""
        return self.long if self.long_from is not None and prompt_tokens >= self.long_from else self.rates


OwnPrices = dict[str, PriceRow]


def day_of(at_ms: int) -> date:
    """Return the day (UTC) of a Unix time in milliseconds; prices change by the day."""
    return _day(at_ms // _DAY_MS)


@lru_cache(maxsize=8)
def _day(number: int) -> date:
    return datetime.fromtimestamp(number * _DAY_MS / 1000, UTC).date()


def price_row(model: str, at: date, own: Mapping[str, PriceRow] | None = None) -> PriceRow | None:
    """Return the prices of a model, by any of its names, on a day; None if they are unknown.

    The user's own prices come first, then the table, where a retired name has the prices of its successor.
    """
    name = models.canonical(model)
    for candidate in (model, name):
        if own and candidate in own:
            return own[candidate]
    facts = models.facts(name)
    if facts and facts.redirected_to and facts.retired_on and at >= facts.retired_on:
        name = facts.redirected_to
    return next((row for row in _TABLE.get(name, ()) if row.is_in_force(at)), None)


def possible_price_rows(
    model: str, at: date, own: Mapping[str, PriceRow] | None = None
) -> tuple[PriceRow, ...]:
    """Return the rows that an answer to this name may be billed by: the one in force, then the name's own.

    A team may still be served by a retired model; only the answer shows which model it was.
    """
    row = price_row(model, at, own)
    if row is None or row.as_of == OWN:
        return () if row is None else (row,)
    return (row, *_TABLE.get(models.canonical(model), ()))


def parse_own_prices(table: Mapping[str, object]) -> OwnPrices:
    """Parse `[prices]` of runner.toml: by model, `input`, `cached`, `output` in USD per million tokens.

    `cached` and `image` default to `input`; `long_from` with `long` is optional. Raises UsageError.
    """
    return {model: _own_row(model, row) for model, row in table.items()}


def _own_row(model: str, row: object) -> PriceRow:
    where = f'[prices."{model}"]'
    if not isinstance(row, dict):
        raise UsageError(f"{where} is no table", fix=f"write {where} and below it input = … and output = …")
    unknown = sorted(set(row) - _OWN_FIELDS)
    if unknown:
        raise UsageError(f"{where} has no setting {unknown[0]}", fix=f"use {', '.join(sorted(_OWN_FIELDS))}")
    try:
        return _row(row, OWN)
    except KeyError as missing:
        raise UsageError(f"{where} lacks {missing.args[0]}", fix=_USD_FIX) from None
    except NumberError as error:
        raise UsageError(f"{where}: {error}", fix=_USD_FIX) from None
    except (ValueError, TypeError, AttributeError, InvalidOperation):
        raise UsageError(f"{where} has a price that is no number from 0 up", fix=_USD_FIX) from None


def _row(row: Mapping[str, Any], as_of: str) -> PriceRow:
    rates = _rates(row)
    long_from = row.get("long_from")
    if long_from is not None and (type(long_from) is not int or long_from <= 0):
        raise ValueError(long_from)
    return PriceRow(
        rates=rates,
        long=rates if long_from is None else _rates(row["long"]),
        as_of=as_of,
        long_from=long_from,
        since=row.get("from"),
        until=row.get("until"),
    )


def _rates(row: Mapping[str, Any]) -> Rates:
    input_usd = row["input"]
    return Rates(
        input_ticks=_ticks_per_token(input_usd),
        cached_ticks=_ticks_per_token(row.get("cached", input_usd)),
        image_ticks=_ticks_per_token(row.get("image", input_usd)),
        output_ticks=_ticks_per_token(row["output"]),
    )


def _ticks_per_token(usd_per_million: object) -> int:
    if isinstance(usd_per_million, str):
        usd = parse_decimal(usd_per_million)
    else:
        usd = Decimal(str(usd_per_million))  # of TOML, which has a grammar of its own for numbers
    if not 0 <= usd <= _USD_MAX:
        raise ValueError(usd_per_million)
    return int((usd * _TICKS_PER_TOKEN).to_integral_value())


def _read() -> tuple[str, dict[str, tuple[PriceRow, ...]]]:
    text = Path(__file__).with_name("prices.toml").read_text("utf-8")
    table = tomllib.loads(text, parse_float=Decimal)
    as_of = table["as_of"]
    return as_of, {name: tuple(_row(row, as_of) for row in rows) for name, rows in table["models"].items()}


prices_as_of, _TABLE = _read()
