"""The budget of a run: which one is in force, and that it needs the price of every model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.db.counts import budget_account
from runner.db.runs import runs
from runner.rules.errors import UsageError
from runner.rules.prices import day_of, parse_own_prices, price_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.session import Database
    from runner.settings import Settings


def effective_budget(database: Database, run_id: int, named: Mapping[str, Any]) -> int | None:
    """Return the run's budget in ticks: that among the named options, else the one it has; None is none."""
    if "budget_ticks" in named:
        given: int | None = named["budget_ticks"]
        return given
    with database.read() as connection:
        run = runs.find(connection, run_id)
    return run.options.budget_ticks if run else None


def require_prices(database: Database, settings: Settings, run_id: int) -> None:
    """Raise UsageError if a job of the run names a model without a known price."""
    with database.read() as connection:
        names = budget_account.models(connection, run_id)
    require_prices_of(database, settings, names)


def require_prices_of(database: Database, settings: Settings, names: Sequence[str]) -> None:
    """Raise UsageError if one of these models has no known price."""
    own, at = parse_own_prices(settings.prices), day_of(database.now_ms())
    unpriced = [model for model in names if price_row(model, at, own) is None]
    if unpriced:
        raise UsageError(
            f"a budget needs the price of every model, and nobody knows that of {', '.join(unpriced)}",
            where=("nothing was sent",),
            fix=f'put [prices."{unpriced[0]}"] with input = … and output = … (USD per million tokens)'
            " in runner.toml, or give --budget none",
        )
