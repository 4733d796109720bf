"""Seeded faults: which request goes wrong, and how. It decides; replying so is up to others.

    429, 500, 503   refused with this status; nothing is accepted, no result is consumed
    capacity        a submit is refused: 429 because the model is at capacity
    520             a submit is refused by the proxy before the API: a page of HTML
    safety          a submit is refused by the safety check: 403, and no use to try again
    500_after       a submit is accepted, and answered with 500
    reset_before    the connection is reset; nothing is accepted, no result is consumed
    reset_after     a submit is accepted, and the connection is reset
    hang            a submit is accepted or not, by coin; then silence, then a reset
    garbage         the result is consumed: a 200 that is no JSON
    cut             the result is consumed: half of its bytes, then the connection closes
    lost            the result is gone: 404
    failed          the result is consumed: a 200 with {"code", "error"}, no choices, no usage
    no_choices      the result is consumed: a chat.completion with empty choices, and its usage

A kind is set for both doors, or as `submit:429` or `fetch:429` for one. The last five fall on the handing
out of a ready result, so that their rate is one of results and not of polls.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Rates = dict[str, float]
Door = Literal["submit", "fetch", "result"]

KINDS: dict[Door, tuple[str, ...]] = {
    "submit": (
        "429",
        "500",
        "500_after",
        "503",
        "capacity",
        "520",
        "safety",
        "reset_before",
        "reset_after",
        "hang",
    ),
    "fetch": ("429", "500", "503", "reset_before"),
    "result": ("garbage", "cut", "lost", "failed", "no_choices"),
}
NAMES = tuple(dict.fromkeys(kind for kinds in KINDS.values() for kind in kinds))
HEALING = tuple(name for name in NAMES if name != "safety")  # these may go well the next time
SCOPES: dict[str, tuple[Door, ...]] = {"submit": ("submit",), "fetch": ("fetch", "result")}


def parse_rates(raw: Mapping[str, object]) -> Rates:
    """The rates as given, if they make sense; ValueError says what does not."""
    rates: Rates = {}
    for kind, rate in raw.items():
        if not any(_applies(kind, door, name) for door, names in KINDS.items() for name in names):
            raise ValueError(f"no such fault: {kind} (there are {', '.join(NAMES)})")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"the rate of {kind} must be between 0 and 1")
        rates[kind] = float(rate)
    for door in KINDS:
        if sum(rate for _, rate in _table(rates, door)) > 1 + 1e-9:
            raise ValueError(f"the {door} faults sum up to more than 1")
    return rates


class Faults:
    """Draws a fault, or none, for each request from the seed and a running number of each door."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._seed = seed
        self._drawn: dict[Door, int] = dict.fromkeys(KINDS, 0)
        self.set_rates(rates)

    def set_rates(self, rates: Rates) -> None:
        self.rates = rates
        self._tables = {door: _table(rates, door) for door in KINDS}

    def draw(self, door: Door) -> str | None:
        """A kind of this door (`hang` as `hang_before` or `hang_after` acceptance), or None."""
        table = self._tables[door]
        if not table:
            return None
        number = self._drawn[door]
        self._drawn[door] = number + 1
        chance = _fraction(f"{self._seed}/{door}/{number}")
        for kind, rate in table:
            chance -= rate
            if chance < 0:
                return kind
        return None


def _applies(kind: str, door: Door, name: str) -> bool:
    scope, colon, rest = kind.partition(":")
    return kind == name if not colon else rest == name and door in SCOPES.get(scope, ())


def _table(rates: Rates, door: Door) -> list[tuple[str, float]]:
    table: list[tuple[str, float]] = []
    for name in KINDS[door]:
        rate = sum(rate for kind, rate in rates.items() if _applies(kind, door, name))
        if rate and name == "hang":
            table += [("hang_before", rate / 2), ("hang_after", rate / 2)]
        elif rate:
            table.append((name, rate))
    return table


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
