"""Switches: settings that can change while the simulator runs. Outages, limits, latency, fault rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runner.simulator.faults import Rates, parse_rates
from runner.simulator.limit_headers import HEADER_FORMS, HeaderForm
from runner.simulator.windows import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.simulator.models import Model

Limit = int | Literal["catalogue", "none"]  # catalogue: the limit of the model table
DownWord = Literal["reset", "page", "posts", "text"]
Down = bool | DownWord
DOWN_WORDS: tuple[DownWord, ...] = ("reset", "page", "posts", "text")
RPM_PER_RPS = 48
RPS_LEAST = 2


@dataclass(slots=True, kw_only=True)
class Switches:
    """The current switches. `down` answers all requests with 503, or resets all connections, or (`page`)
    answers with a web page and 200, as the login page of a network does; `posts` answers only POST so, with
    the page of a firewall and 403; `text` answers all with plain text and 200.

    `key_endpoint_gone`: /v1/api-key is not there, as with a gateway that serves the models only.

    `hold_after`: while so many submissions are accepted, further ones wait for their reply. They go on when
    it is raised, or null; a client that has gone meanwhile has submitted all the same.

    `skill`: the probability of the right answer of each question of `--answers`, instead of the file's own.
    `shift` is added to the probability of the right answer, so that hard questions stay hard.

    `fingerprint`: the system_fingerprint of answers that are accepted from now on; None: that of the model.

    `echo`: what the faults echo_… repeat beside the key, such as the password of a proxy.

    Set `announce_rpm` or `announce_tpm` to the old value to change a limit without announcing it.
    """

    key_revoked: bool = False
    key_endpoint_gone: bool = False
    credits_gone: bool = False
    credits_status: int = 403
    permission_gone: bool = False
    model_gone: bool = False
    down: Down = False
    rpm: Limit = "catalogue"
    tpm: Limit = "catalogue"
    rps: Limit = "catalogue"
    announce_rpm: int | None = None
    announce_tpm: int | None = None
    headers: HeaderForm = "usual"
    median_s: float = 1.0
    hold_after: int | None = None
    skill: float | None = None
    shift: float = 0.0
    fingerprint: str | None = None
    echo: str = ""
    faults: Rates

    def limits(self, model: Model) -> Limits:
        """Return the limits of a team on this model. RPS is RPM / 48, at least 2, unless set."""
        rpm = _resolve(self.rpm, model.rpm)
        derived = None if rpm is None else max(RPS_LEAST, rpm // RPM_PER_RPS)
        return Limits(rpm=rpm, tpm=_resolve(self.tpm, model.tpm), rps=_resolve(self.rps, derived))

    def change(self, changes: Mapping[str, object]) -> None:
        """Apply all changes, or none and raise ValueError with the reason if one is invalid."""
        checked = {}
        for name, value in changes.items():
            if name not in _PARSERS:
                raise ValueError(f"no such switch: {name} (there are {', '.join(_PARSERS)})")
            checked[name] = _PARSERS[name](name, value)
        for name, value in checked.items():
            setattr(self, name, value)


def _resolve(limit: Limit, of_model: int | None) -> int | None:
    if limit == "catalogue":
        return of_model
    return None if limit == "none" else limit


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")  # noqa: TRY004 - one error for the caller
    return value


def _down(name: str, value: object) -> Down:
    for word in DOWN_WORDS:
        if value == word:
            return word
    return _flag(name, value)


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


def _announced(name: str, value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"{name} must be a whole number from 1 up, or null")
    return value


def _count_or_none(name: str, value: object) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ValueError(f"{name} must be a whole number from 0 up, or null")
    return value


def _header_form(name: str, value: object) -> HeaderForm:
    for form in HEADER_FORMS:
        if form == value:
            return form
    raise ValueError(f"{name} must be one of {', '.join(HEADER_FORMS)}")


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} must be a number of seconds")
    return float(value)


def _probability_or_none(name: str, value: object) -> float | None:
    return None if value is None else _within(name, value, 0, 1)


def _shift(name: str, value: object) -> float:
    return _within(name, value, -1, 1)


def _within(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}")
    return float(value)


def _text_or_none(name: str, value: object) -> str | None:
    return None if value is None else _line(name, value)


def _line(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")  # noqa: TRY004 - one error for the caller
    return value


def _rates(name: str, value: object) -> Rates:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must map kinds to rates")  # noqa: TRY004 - one error for the caller
    return parse_rates(value)


_PARSERS: dict[str, Callable[[str, object], object]] = {
    "key_revoked": _flag,
    "key_endpoint_gone": _flag,
    "credits_gone": _flag,
    "credits_status": _credits_status,
    "permission_gone": _flag,
    "model_gone": _flag,
    "down": _down,
    "rpm": _limit,
    "tpm": _limit,
    "rps": _limit,
    "announce_rpm": _announced,
    "announce_tpm": _announced,
    "headers": _header_form,
    "median_s": _seconds,
    "hold_after": _count_or_none,
    "skill": _probability_or_none,
    "shift": _shift,
    "fingerprint": _text_or_none,
    "echo": _line,
    "faults": _rates,
}
