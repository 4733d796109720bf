"""Rate limiter: checks requests against the limits of their team and model, and announces the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.simulator.limit_headers import limit_headers
from runner.simulator.replies import Refusal
from runner.simulator.windows import Limits, Window

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.options import Options
    from runner.simulator.switches import Switches


class RateLimiter:
    """One sliding window per team and model, with the limits of the switches."""

    def __init__(self, options: Options, switches: Switches) -> None:
        self._switches = switches
        self._retry_after_s = options.retry_after
        self._windows: dict[tuple[str, str], Window] = {}
        self._cache: dict[str, tuple[Limits, dict[str, str]]] = {}  # by model id

    def adopt_switches(self) -> None:
        """Apply changed switches. Call it after each change."""
        self._cache.clear()

    def headers(self, model: Model) -> dict[str, str]:
        """Return the rate limit headers of a reply. They are shared: do not change them."""
        return self._limits_and_headers(model)[1]

    def charge(self, team: str, model: Model, tokens: int, now: float) -> None:
        """Count a request of `tokens`. Raise Refusal 429 and count nothing if it breaks a limit."""
        window = self._windows.get((team, model.id))
        if window is None:
            window = self._windows[team, model.id] = Window()
        limits, headers = self._limits_and_headers(model)
        broken = window.broken_limit(now, tokens, limits)
        if broken:
            whose = f"team {team} and model {model.id}. Your team's rate limit is"
            raise self.too_many(f"Too many requests for {whose} - {broken}.", headers)
        window.charge(now, tokens)

    def too_many(self, text: str, headers: dict[str, str] | None = None) -> Refusal:
        """Return a 429, with Retry-After if the option is set."""
        retry_after = {} if self._retry_after_s is None else {"retry-after": f"{self._retry_after_s:g}"}
        return Refusal(429, "resource-exhausted", text, (headers or {}) | retry_after)

    def peaks(self) -> dict[str, dict[str, int]]:
        """Return {model id: {"rpm", "rps", "tpm"}}: the most that one team charged within a window."""
        peaks: dict[str, dict[str, int]] = {}
        for (_, model_id), window in self._windows.items():
            peak = peaks.setdefault(model_id, {"rpm": 0, "rps": 0, "tpm": 0})
            peak["rpm"] = max(peak["rpm"], window.peak_rpm)
            peak["rps"] = max(peak["rps"], window.peak_rps)
            peak["tpm"] = max(peak["tpm"], window.peak_tpm)
        return peaks

    def _limits_and_headers(self, model: Model) -> tuple[Limits, dict[str, str]]:
        cached = self._cache.get(model.id)
        if cached is None:
            limits = self._switches.limits(model)
            announced = limit_headers(
                limits,
                rpm=self._switches.announce_rpm,
                tpm=self._switches.announce_tpm,
                form=self._switches.headers,
            )
            cached = self._cache[model.id] = limits, announced
        return cached
