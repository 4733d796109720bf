"""Estimate of a job file's tokens, cost and duration, before anything is sent.

Input tokens are estimated from the lines; output tokens are a range, assumed or learnt. Cost is by the price
table, with nothing cached. Duration is by the rate limits alone, without the latency of the last answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

from runner.rules import models, money
from runner.rules.prices import price_row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from runner.rules.output_estimate import OutputRange
    from runner.rules.prices import PriceRow
    from runner.rules.request import Request

_RPM_PER_RPS: Final = 48  # xAI's rate-limit page: requests a second are those a minute / 48, at least 2
_RPS_MIN: Final = 2

Bound = Literal["requests", "tokens", "nothing"]


@dataclass(slots=True)
class _Sum:
    """Number and tokens of the jobs that pay one rate."""

    jobs: int = 0
    input: int = 0
    low: int = 0  # output tokens, at least
    high: int = 0  # output tokens, at most


class Tally:
    """Sums over the requests of a file: a few numbers for each model, not for each line."""

    def __init__(self, at: date, own_prices: Mapping[str, PriceRow] | None = None) -> None:
        self.at, self._own = at, own_prices
        self.rows: dict[str, PriceRow | None] = {}
        self.sums: dict[tuple[str, bool, bool], _Sum] = {}  # by (model, is_priority, is_long)

    def add(self, request: Request) -> None:
        """Add one request."""
        model, prompt = request.model, request.prompt_tokens_estimate
        if model not in self.rows:
            self.rows[model] = price_row(model, self.at, self._own)
        row = self.rows[model]
        is_long = row is not None and row.long_from is not None and prompt >= row.long_from
        key = (model, request.is_priority, is_long)
        total = self.sums.get(key)
        if total is None:
            total = self.sums[key] = _Sum()
        total.jobs += 1
        total.input += prompt
        low, high = request.outputs
        total.low += low
        total.high += high


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range from low to high."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """Estimate of one model's jobs. `ticks` is None if its price is unknown; a limit of 0 is no limit."""

    model: str
    jobs: int
    input_tokens: int
    output_tokens: Span
    ticks: Span | None
    rpm: int
    tpm: int
    time_s: Span
    bound_by: Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimate of a whole file. `ticks` sums the models that have a price; None if none has."""

    models: tuple[ModelEstimate, ...]
    jobs: int
    input_tokens: int
    output_tokens: Span
    ticks: Span | None
    unpriced_jobs: int
    slowest: ModelEstimate | None


def estimate(
    tally: Tally,
    *,
    outputs: Mapping[str, OutputRange] | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    base_host: str | None = None,
) -> Estimate:
    """Return the estimate of all requests in `tally`.

    `outputs` maps a model to the output tokens of its answers, if known. `rpm` and `tpm` are the user's
    limits: None if not given, 0 for no limit. Models have limits of their own and run in parallel, so the
    slowest one determines the duration.
    """
    known = outputs or {}
    names = sorted({name for name, _, _ in tally.sums})
    limits = _Limits(tally, known, rpm, tpm)
    rows = tuple(_estimate_model(name, tally, known.get(name), limits, base_host) for name in names)
    return _total(rows)


def _total(rows: tuple[ModelEstimate, ...]) -> Estimate:
    """Return the sums over the models, and the one that takes longest."""
    priced = [row.ticks for row in rows if row.ticks is not None]
    return Estimate(
        models=rows,
        jobs=sum(row.jobs for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=_add([row.output_tokens for row in rows]),
        ticks=_add(priced) if priced else None,
        unpriced_jobs=sum(row.jobs for row in rows if row.ticks is None),
        slowest=max(rows, key=lambda row: (row.time_s.high, row.jobs), default=None),
    )


def _estimate_model(
    name: str, tally: Tally, known: OutputRange | None, limits: _Limits, base_host: str | None
) -> ModelEstimate:
    row = tally.rows[name]
    jobs = prompt = low = high = low_ticks = high_ticks = 0
    for (model, is_priority, is_long), part in tally.sums.items():
        if model != name:
            continue
        output = _output(part, known)
        jobs, prompt = jobs + part.jobs, prompt + part.input
        low, high = low + output.low, high + output.high
        if row is not None:
            rates = row.long if is_long else row.rates
            tier = money.PRIORITY if is_priority else None
            low_ticks, high_ticks = (
                total
                + money.with_factors(
                    part.input * rates.input_ticks + tokens * rates.output_ticks,
                    service_tier=tier,
                    base_host=base_host,
                )
                for total, tokens in ((low_ticks, output.low), (high_ticks, output.high))
            )
    rpm, tpm = limits.of(name)
    time_s, bound_by = limits.duration_s(name)
    return ModelEstimate(
        model=name,
        jobs=jobs,
        input_tokens=prompt,
        output_tokens=Span(low=low, high=high),
        ticks=None if row is None else Span(low=low_ticks, high=high_ticks),
        rpm=rpm,
        tpm=tpm,
        time_s=time_s,
        bound_by=bound_by,
    )


class _Limits:
    """Rate limits and the time they enforce: those of the model that serves; its names share one limit."""

    def __init__(
        self, tally: Tally, known: Mapping[str, OutputRange], rpm: int | None, tpm: int | None
    ) -> None:
        self._at, self._rpm, self._tpm = tally.at, rpm, tpm
        self._sums: dict[str, _Sum] = {}
        for (model, _, _), part in tally.sums.items():
            total = self._sums.setdefault(models.serving(model, self._at), _Sum())
            output = _output(part, known.get(model))
            total.jobs += part.jobs
            total.low += part.input + output.low
            total.high += part.input + output.high

    def of(self, model: str) -> tuple[int, int]:
        """Return requests and tokens a minute: the user's limits, else the catalogue's; 0 is no limit."""
        rpm, tpm = models.limits(models.serving(model, self._at))
        return (rpm if self._rpm is None else self._rpm), (tpm if self._tpm is None else self._tpm)

    def duration_s(self, model: str) -> tuple[Span, Bound]:
        """Return the duration in seconds, rounded up, and the limit that binds at the high end."""
        total, (rpm, tpm) = self._sums[models.serving(model, self._at)], self.of(model)
        per_minute = min(rpm, 60 * max(_RPS_MIN, rpm // _RPM_PER_RPS))
        requests_s = total.jobs * 60 / per_minute if per_minute else 0.0
        low_s, high_s = ((tokens * 60 / tpm if tpm else 0.0) for tokens in (total.low, total.high))
        bound: Bound = "tokens" if high_s > requests_s else "requests" if requests_s else "nothing"
        return Span(low=ceil(max(requests_s, low_s)), high=ceil(max(requests_s, high_s))), bound


def _output(part: _Sum, known: OutputRange | None) -> Span:
    if known is None:
        return Span(low=part.low, high=part.high)
    return Span(low=part.jobs * known.low, high=part.jobs * known.high)


def _add(spans: list[Span]) -> Span:
    return Span(low=sum(span.low for span in spans), high=sum(span.high for span in spans))
