"""The limiter's buckets: limits hold for each team and serving model, not for each name of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.limiter.limits import RateLimits
from runner.rules import models
from runner.rules.prices import day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from runner.engine.limits.team import Team


class ModelBuckets:
    """Names the bucket of a model, and its limits until the API has announced them."""

    def __init__(self, team: Team, now_ms: Callable[[], int]) -> None:
        self._team, self._now_ms = team, now_ms
        self._names: dict[tuple[str | None, date, str], str] = {}

    def name(self, model: str) -> str:
        """Return the bucket that requests for a model count in."""
        key = (self._team.name, self._today(), model)
        known = self._names.get(key)
        if known is None:
            known = self._names[key] = f"{self._team.name}:{models.serving(model, self._today())}"
        return known

    def fallback_limits(self, asked: Iterable[str]) -> RateLimits:
        """Return the model table's limits, for use until the API has announced its own.

        The lowest among the models asked for and those that serve them: it is unknown whose limits hold.
        """
        names = set(asked)
        known = [models.limits(name) for name in names | {models.serving(n, self._today()) for n in names}]
        return RateLimits(rpm=min(rpm for rpm, _ in known), tpm=min(tpm for _, tpm in known))

    def _today(self) -> date:
        return day_of(self._now_ms())
