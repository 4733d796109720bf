"""What a job file will use, cost and take, before anything is sent. Pure.

Input is counted from the lines; output is assumed, learnt or given, from low to high. Money is that of the
price table, with nothing cached; time is that of the limits alone, so the last answers' latency comes on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, Literal

from runner.rules import models, money
from runner.rules.prices import row_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from runner.rules.outputs import Outputs
    from runner.rules.prices import PriceRow
    from runner.rules.request import Request

RPM_UNKNOWN, TPM_UNKNOWN = 120, 200_000  # of a model that the catalogue lacks; as the limiter takes them
_RPM_PER_RPS: Final = 48  # xAI's rate-limit page: requests a second are those a minute / 48, at least 2
_RPS_MIN: Final = 2

Bound = Literal["requests", "tokens", "nothing"]


@dataclass(slots=True)
class _Sum:
    """Of the jobs that pay one rate: how many, and their tokens."""

    jobs: int = 0
    input: int = 0
    low: int = 0
    high: int = 0


class Tally:
    """Adds up requests as they are read: a few numbers a model, however many lines there are."""

    def __init__(self, at: date, own_prices: Mapping[str, PriceRow] | None = None) -> None:
        self._at, self._own = at, own_prices
        self.rows: dict[str, PriceRow | None] = {}
        self.sums: dict[tuple[str, bool, bool], _Sum] = {}  # by model, is priority, pays long prices

    def add(self, request: Request) -> None:
        """Count one request."""
        model, prompt = request.model, request.prompt_tokens_estimate
        if model not in self.rows:
            self.rows[model] = row_of(model, self._at, self._own)
        row = self.rows[model]
        is_long = row is not None and row.long_from is not None and prompt >= row.long_from
        key = (model, request.is_priority, is_long)
        found = self.sums.get(key)
        if found is None:
            found = self.sums[key] = _Sum()
        found.jobs += 1
        found.input += prompt
        low, high = request.outputs
        found.low += low
        found.high += high


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From low to high."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEstimate:
    """The jobs of one model. `ticks` is None where its price is unknown; a limit of 0 is none."""

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
    """A whole file. `ticks` sums the models that have a price, None where none has."""

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
    outputs: Mapping[str, Outputs] | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    base_host: str | None = None,
) -> Estimate:
    """Estimate what was added up. `outputs` gives the tokens of an answer by model, where they are known.

    `rpm` and `tpm` are the user's limits: None not said, 0 no limit. Models have limits of their own and
    run beside each other, so the slowest one says how long it takes.
    """
    known = outputs or {}
    names = sorted({name for name, _, _ in tally.sums})
    pace = _Pace(tally, known, rpm, tpm)
    rows = tuple(_of_model(name, tally, known.get(name), pace, base_host) for name in names)
    priced = [row.ticks for row in rows if row.ticks is not None]
    return Estimate(
        models=rows,
        jobs=sum(row.jobs for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=_sum([row.output_tokens for row in rows]),
        ticks=_sum(priced) if priced else None,
        unpriced_jobs=sum(row.jobs for row in rows if row.ticks is None),
        slowest=max(rows, key=lambda row: (row.time_s.high, row.jobs), default=None),
    )


def _of_model(
    name: str, tally: Tally, known: Outputs | None, pace: _Pace, base_host: str | None
) -> ModelEstimate:
    row = tally.rows[name]
    jobs = prompt = low = high = low_ticks = high_ticks = 0
    for (model, is_priority, is_long), found in tally.sums.items():
        if model != name:
            continue
        output = _output(found, known)
        jobs, prompt = jobs + found.jobs, prompt + found.input
        low, high = low + output.low, high + output.high
        if row is not None:
            rates = row.long if is_long else row.rates
            tier = money.PRIORITY if is_priority else None
            low_ticks, high_ticks = (
                total
                + money.with_factors(
                    found.input * rates.input_ticks + tokens * rates.output_ticks,
                    service_tier=tier,
                    base_host=base_host,
                )
                for total, tokens in ((low_ticks, output.low), (high_ticks, output.high))
            )
    rpm, tpm = pace.limits(name)
    time_s, bound_by = pace.of(name)
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


class _Pace:
    """How long the limits make it take: aliases of a model share one limit."""

    def __init__(self, tally: Tally, known: Mapping[str, Outputs], rpm: int | None, tpm: int | None) -> None:
        self._rpm, self._tpm = rpm, tpm
        self._sums: dict[str, _Sum] = {}
        for (model, _, _), found in tally.sums.items():
            total = self._sums.setdefault(models.canonical(model), _Sum())
            output = _output(found, known.get(model))
            total.jobs += found.jobs
            total.low += found.input + output.low
            total.high += found.input + output.high

    def limits(self, model: str) -> tuple[int, int]:
        """Give requests and tokens a minute: the user's, else the catalogue's; 0 is no limit."""
        facts = models.facts(model)
        rpm, tpm = (facts.rpm, facts.tpm) if facts else (RPM_UNKNOWN, TPM_UNKNOWN)
        return (rpm if self._rpm is None else self._rpm), (tpm if self._tpm is None else self._tpm)

    def of(self, model: str) -> tuple[Span, Bound]:
        """Give the seconds, rounded up, and which limit binds at the high end."""
        total, (rpm, tpm) = self._sums[models.canonical(model)], self.limits(model)
        a_minute = min(rpm, 60 * max(_RPS_MIN, rpm // _RPM_PER_RPS))
        requests_s = total.jobs * 60 / a_minute if a_minute else 0.0
        low_s, high_s = ((tokens * 60 / tpm if tpm else 0.0) for tokens in (total.low, total.high))
        bound: Bound = "tokens" if high_s > requests_s else "requests" if requests_s else "nothing"
        return Span(low=ceil(max(requests_s, low_s)), high=ceil(max(requests_s, high_s))), bound


def _output(found: _Sum, known: Outputs | None) -> Span:
    if known is None:
        return Span(low=found.low, high=found.high)
    return Span(low=found.jobs * known.low, high=found.jobs * known.high)


def _sum(spans: list[Span]) -> Span:
    return Span(low=sum(span.low for span in spans), high=sum(span.high for span in spans))
