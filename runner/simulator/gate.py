"""Who may pass: holds requests against the limits of their team and model, and announces the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.simulator.limit_headers import limit_headers
from runner.simulator.replies import Refusal
from runner.simulator.windows import Limits, Window

if TYPE_CHECKING:
    from runner.simulator.models import Model
    from runner.simulator.options import Options
    from runner.simulator.switches import Switches


class Gate:
    """One window for each team and model, under the limits of the switches."""

    def __init__(self, options: Options, switches: Switches) -> None:
        self._switches = switches
        self._retry_after_s = options.retry_after
        self._windows: dict[tuple[str, str], Window] = {}
        self._known: dict[str, tuple[Limits, dict[str, str]]] = {}

    def adopt_switches(self) -> None:
        """To be called when the switches have changed."""
        self._known.clear()

    def headers(self, model: Model) -> dict[str, str]:
        """The rate limit headers of a reply; not to be changed."""
        return self._of(model)[1]

    def charge(self, team: str, model: Model, tokens: int, now: float) -> None:
        """Lets a request of so many tokens pass and counts it, or raises Refusal 429 and counts nothing."""
        window = self._windows.get((team, model.id))
        if window is None:
            window = self._windows[team, model.id] = Window()
        limits, headers = self._of(model)
        broken = window.refusal(now, tokens, limits)
        if broken:
            whose = f"team {team} and model {model.id}. Your team's rate limit is"
            raise self.too_many(f"Too many requests for {whose} - {broken}.", headers)
        window.charge(now, tokens)

    def too_many(self, text: str, headers: dict[str, str] | None = None) -> Refusal:
        """A 429, with Retry-After if the simulator was told to send it."""
        wait = {} if self._retry_after_s is None else {"retry-after": f"{self._retry_after_s:g}"}
        return Refusal(429, "resource-exhausted", text, (headers or {}) | wait)

    def peaks(self) -> dict[str, dict[str, int]]:
        """The most that any one team charged to each model within a window."""
        peaks: dict[str, dict[str, int]] = {}
        for (_, model_id), window in self._windows.items():
            peak = peaks.setdefault(model_id, {"rpm": 0, "rps": 0, "tpm": 0})
            peak["rpm"] = max(peak["rpm"], window.peak_rpm)
            peak["rps"] = max(peak["rps"], window.peak_rps)
            peak["tpm"] = max(peak["tpm"], window.peak_tpm)
        return peaks

    def _of(self, model: Model) -> tuple[Limits, dict[str, str]]:
        known = self._known.get(model.id)
        if known is None:
            limits = self._switches.limits(model)
            announced = limit_headers(
                limits,
                rpm=self._switches.announce_rpm,
                tpm=self._switches.announce_tpm,
                form=self._switches.headers,
            )
            known = self._known[model.id] = limits, announced
        return known
