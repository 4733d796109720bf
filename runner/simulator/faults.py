"""Seeded fault injection: decides which requests fail and how. Other modules make the replies.

    429, 500, 503   refused with this status; nothing is accepted, no result is consumed
    409, 425, 499   a submit is refused with this status: a conflict, too early, closed
    529             a submit is refused: the service is overloaded
    capacity        a submit is refused: 429, the model is at capacity
    520, 521        refused by a proxy in front of the API: an HTML page; 521: it did not reach the API
    403_page        refused by a firewall in front of the API: an HTML page
    200_page        a submit is answered by a login page, which did not reach the API: an HTML page
    safety          a submit is refused by the safety check: 403, also when it is repeated
    500_after       a submit is accepted, and answered with 500
    reset_before    the connection is reset; nothing is accepted, no result is consumed
    reset_after     a submit is accepted, and the connection is reset
    not_deferred    a submit is accepted and answered at once, as by a gateway that drops `deferred`
    hang            a submit is accepted in half of the cases; no reply, then a reset
    garbage         the result is consumed: a 200 that is not JSON
    cut             the result is consumed: half of its bytes, then the connection closes
    lost            the result is gone: 404
    failed          the result is consumed: a 200 with {"code", "error"}, no choices, no usage
    no_choices      the result is consumed: a chat.completion with empty choices, and its usage
    empty200        instead of the result a 200 without a body; the result stays and can be fetched
    html200         the same, with the login page of a proxy
    trunc200        the same, with the first half of the result, sent as if it were whole
    err200          the same, with an error of a proxy as JSON
    pending200      the same, with {"status":"pending"}
    lone            the result, its text with half an emoji: a lone surrogate, escaped
    bom             the result, after a byte order mark
    201, 203        the result, with this status instead of 200
    wrong_length    the result, with a Content-Length that is too large; then the connection closes

Those of gateway_faults.py and answer_faults.py come by their names only, not with `--faults`; so do 201, 203
and wrong_length.

A rate is for submits and fetches, or for one of them: `submit:429`, `fetch:429`. The kinds from `garbage` on
are drawn when a ready result is handed out, so their rate is per result, not per poll. Those of
answer_faults.py are drawn when an answer is made, change those to a json_schema, and have no scope.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from runner.simulator.gateway_faults import BEFORE_THE_API, BY_THE_API, GATEWAY_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

Rates = dict[str, float]
ANSWER_KINDS = ("invalid", "fenced", "prose", "two_objects", "cut_json")
# Where faults are drawn; result: a ready one is fetched; answer: an answer is made.
FaultPoint = Literal["submit", "fetch", "result", "answer"]

KINDS_BY_POINT: dict[FaultPoint, tuple[str, ...]] = {
    "submit": (
        "429",
        "500",
        "500_after",
        "503",
        "capacity",
        *("409", "425", "499", "520", "521", "529", "403_page", "200_page"),
        "safety",
        "not_deferred",
        "reset_before",
        "reset_after",
        "hang",
        *BEFORE_THE_API,
        *BY_THE_API,
    ),
    "fetch": ("429", "500", "503", "521", "403_page", "reset_before", *BEFORE_THE_API),
    "result": (
        *("garbage", "cut", "lost", "failed", "no_choices"),
        *("empty200", "html200", "trunc200", "err200", "pending200", "lone", "bom"),
        *("201", "203", "wrong_length"),
    ),
    "answer": ANSWER_KINDS,
}
KINDS = tuple(dict.fromkeys(kind for kinds in KINDS_BY_POINT.values() for kind in kinds))
LASTING = ("safety", "not_deferred")  # a retry does not help
BY_NAME = (*GATEWAY_KINDS, "201", "203", "wrong_length", *ANSWER_KINDS)
TRANSIENT = tuple(kind for kind in KINDS if kind not in (*LASTING, *BY_NAME))
POINTS_BY_SCOPE: dict[str, tuple[FaultPoint, ...]] = {"submit": ("submit",), "fetch": ("fetch", "result")}


def parse_rates(raw: Mapping[str, object]) -> Rates:
    """Return the rates by kind. Raise ValueError for an unknown kind, a rate or a sum outside 0 to 1."""
    rates: Rates = {}
    for kind, rate in raw.items():
        if not _is_known(kind):
            raise ValueError(f"no such fault: {kind} (there are {', '.join(KINDS)})")
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise ValueError(f"the rate of {kind} must be between 0 and 1")
        rates[kind] = float(rate)
    for point in KINDS_BY_POINT:
        if sum(rate for _, rate in _table(rates, point)) > 1 + 1e-9:
            raise ValueError(f"the {point} faults sum up to more than 1")
    return rates


class Faults:
    """Draws a fault or none for each request, from the seed and a counter per fault point."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._seed = seed
        self._drawn: dict[FaultPoint, int] = dict.fromkeys(KINDS_BY_POINT, 0)
        self.set_rates(rates)

    def set_rates(self, rates: Rates) -> None:
        """Use these rates from the next draw on."""
        self.rates = rates
        self._tables = {point: _table(rates, point) for point in KINDS_BY_POINT}

    def draw(self, point: FaultPoint) -> str | None:
        """Return a kind or None. `hang` becomes `hang_before` or `hang_after`, that is, acceptance."""
        table = self._tables[point]
        if not table:
            return None
        number = self._drawn[point]
        self._drawn[point] = number + 1
        draw = _fraction(f"{self._seed}/{point}/{number}")
        for kind, rate in table:
            draw -= rate
            if draw < 0:
                return kind
        return None


def _is_known(kind: str) -> bool:
    return any(_applies(kind, point, name) for point, names in KINDS_BY_POINT.items() for name in names)


def _applies(kind: str, point: FaultPoint, name: str) -> bool:
    scope, colon, rest = kind.partition(":")
    return kind == name if not colon else rest == name and point in POINTS_BY_SCOPE.get(scope, ())


def _table(rates: Rates, point: FaultPoint) -> list[tuple[str, float]]:
    table: list[tuple[str, float]] = []
    for name in KINDS_BY_POINT[point]:
        rate = sum(rate for kind, rate in rates.items() if _applies(kind, point, name))
        if rate and name == "hang":
            table += [("hang_before", rate / 2), ("hang_after", rate / 2)]
        elif rate:
            table.append((name, rate))
    return table


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest()) / 2**48
