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
from runner.rules.sending.rate_limits import GivenLimits, lower

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from runner.rules.prices import PriceRow
    from runner.rules.requests.output_estimate import OutputRange
    from runner.rules.requests.request import Request

_RPM_PER_RPS: Final = 48  # xAI's rate-limit page: requests a second are those a minute / 48, at least 2
_RPS_MIN: Final = 2
NO_LIMITS_GIVEN: Final = GivenLimits()

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
    limits: GivenLimits = NO_LIMITS_GIVEN,
    base_host: str | None = None,
) -> Estimate:
    """Return the estimate of all requests in `tally`.

    `outputs` maps a model to the output tokens of its answers, if known. Models have limits of their own and
    run in parallel, so the slowest one determines the duration. The limits that a run has for itself hold for
    all of its models together.
    """
    known = outputs or {}
    names = sorted({name for name, _, _ in tally.sums})
    durations = _Durations(tally, known, limits)
    rows = tuple(_estimate_model(name, tally, known.get(name), durations, base_host) for name in names)
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
    name: str, tally: Tally, known: OutputRange | None, durations: _Durations, base_host: str | None
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
    rpm, tpm = durations.limits(name)
    time_s, bound_by = durations.duration_s(name)
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


class _Durations:
    """Rate limits and the time they enforce: those of the model that serves; its names share one limit."""

    def __init__(self, tally: Tally, known: Mapping[str, OutputRange], given: GivenLimits) -> None:
        self._at, self._given = tally.at, given
        self._sums: dict[str, _Sum] = {}
        self._all = _Sum()
        for (model, _, _), part in tally.sums.items():
            output = _output(part, known.get(model))
            for total in (self._sums.setdefault(models.serving(model, self._at), _Sum()), self._all):
                total.jobs += part.jobs
                total.low += part.input + output.low
                total.high += part.input + output.high

    def limits(self, model: str) -> tuple[int, int]:
        """Return the requests and tokens a minute that a run may send to a model; 0 is no limit."""
        rpm, tpm = self._of_model(model)
        return lower(rpm, self._given.rpm or 0), lower(tpm, self._given.tpm or 0)

    def duration_s(self, model: str) -> tuple[Span, Bound]:
        """Return the duration in seconds, rounded up, and the limit that binds at the high end."""
        rpm, tpm = self._of_model(model)
        by_the_second = 60 * max(_RPS_MIN, rpm // _RPM_PER_RPS)
        requests_s, low_s, high_s = map(
            max,
            _times_s(self._sums[models.serving(model, self._at)], min(rpm, by_the_second), tpm),
            _times_s(self._all, self._given.rpm or 0, self._given.tpm or 0),
        )
        bound: Bound = "tokens" if high_s > requests_s else "requests" if requests_s else "nothing"
        return Span(low=ceil(max(requests_s, low_s)), high=ceil(max(requests_s, high_s))), bound

    def _of_model(self, model: str) -> tuple[int, int]:
        return self._given.of_model(*models.limits(models.serving(model, self._at)))


def _times_s(total: _Sum, rpm: int, tpm: int) -> tuple[float, float, float]:
    """Return how long the limits stretch requests, few tokens and many tokens, in seconds; 0 is no limit."""
    return (
        total.jobs * 60 / rpm if rpm else 0.0,
        total.low * 60 / tpm if tpm else 0.0,
        total.high * 60 / tpm if tpm else 0.0,
    )


def _output(part: _Sum, known: OutputRange | None) -> Span:
    if known is None:
        return Span(low=part.low, high=part.high)
    return Span(low=part.jobs * known.low, high=part.jobs * known.high)


def _add(spans: list[Span]) -> Span:
    return Span(low=sum(span.low for span in spans), high=sum(span.high for span in spans))
