"""What can be changed while the simulator runs: troubles of the world, limits, pace and fault rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runner.simulator.faults import Rates, parse_rates
from runner.simulator.windows import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.simulator.models import Model

Limit = int | Literal["catalogue", "none"]
RPM_PER_RPS = 48
RPS_LEAST = 2


@dataclass(slots=True, kw_only=True)
class Switches:
    """The live settings. `down` answers everything with 503, or resets every connection."""

    key_revoked: bool = False
    credits_gone: bool = False
    credits_status: int = 403
    model_gone: bool = False
    down: bool | Literal["reset"] = False
    rpm: Limit = "catalogue"
    tpm: Limit = "catalogue"
    rps: Limit = "catalogue"
    median_s: float = 1.0
    faults: Rates

    def limits(self, model: Model) -> Limits:
        """The limits of a team on this model. Unless set, the second allows RPM / 48, at least 2."""
        rpm = _resolve(self.rpm, model.rpm)
        derived = None if rpm is None else max(RPS_LEAST, rpm // RPM_PER_RPS)
        return Limits(rpm=rpm, tpm=_resolve(self.tpm, model.tpm), rps=_resolve(self.rps, derived))

    def change(self, wishes: Mapping[str, object]) -> None:
        """Takes over all of the wishes or, where one makes no sense, none: ValueError says which."""
        checked = {}
        for name, value in wishes.items():
            if name not in _PARSERS:
                raise ValueError(f"no such switch: {name} (there are {', '.join(_PARSERS)})")
            checked[name] = _PARSERS[name](name, value)
        for name, value in checked.items():
            setattr(self, name, value)


def _resolve(wish: Limit, usual: int | None) -> int | None:
    if wish == "catalogue":
        return usual
    return None if wish == "none" else wish


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")  # noqa: TRY004 - one error for the caller
    return value


def _down(name: str, value: object) -> bool | Literal["reset"]:
    return "reset" if value == "reset" else _flag(name, value)


def _credits_status(name: str, value: object) -> int:
    if value not in (403, 429):
        raise ValueError(f"{name} must be 403 or 429")
    return 429 if value == 429 else 403


def _limit(name: str, value: object) -> Limit:
    if value == "catalogue":
        return "catalogue"
    if value == "none" or value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1 up, none or catalogue")
    return value


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} must be a number of seconds")
    return float(value)


def _rates(name: str, value: object) -> Rates:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must map kinds to rates")  # noqa: TRY004 - one error for the caller
    return parse_rates(value)


_PARSERS: dict[str, Callable[[str, object], object]] = {
    "key_revoked": _flag,
    "credits_gone": _flag,
    "credits_status": _credits_status,
    "model_gone": _flag,
    "down": _down,
    "rpm": _limit,
    "tpm": _limit,
    "rps": _limit,
    "median_s": _seconds,
    "faults": _rates,
}
