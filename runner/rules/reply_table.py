"""The reply tables: from HTTP status and error text to the outcome for the job.

The first row that matches counts. Credits and safety are recognised by the text alone: the API has sent both
as 403, and credits as 402, 403 and 429 (xAI's debugging page, and reports of 2026).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Container


class Outcome(StrEnum):
    """What a reply, or a missing one, means for the job."""

    # of a submit
    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED = "refused"
    AMBIGUOUS = "ambiguous"
    # of either
    ACCOUNT = "account"
    # of a fetch
    READY = "ready"
    NOT_READY = "not_ready"
    LATER = "later"
    GONE = "gone"
    GENERATION_FAILED = "generation_failed"


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """One row of a table. None as `statuses` or `words` matches any."""

    statuses: Container[int] | None
    words: re.Pattern[str] | None
    outcome: Outcome
    code: str
    pauses: PauseReason | None = None

    def matches(self, status: int, words: str) -> bool:
        """Return whether the row matches a status and an error text in lower case."""
        return (self.statuses is None or status in self.statuses) and (
            self.words is None or self.words.search(words) is not None
        )


RATE = re.compile(r"(requests|tokens) per (second|minute|hour|day)")
CAPACITY = re.compile(r"at capacity|overloaded|high demand")
CREDITS = re.compile(
    r"\b(all|any|available|out of|no|not enough|insufficient|more|remaining)\b[^.\n]{0,40}\bcredits?\b"
    r"|\bcredits?\b[^.\n]{0,30}\b(exhausted|depleted|used up|expired)"
    r"|spending[ -]limit|insufficient[ _](funds|balance|quota)|payment[ _]required"
)
SAFETY = re.compile(r"usage guidelines|safety_check|failed check|content (violates|policy)")
_BAD = r"\b(incorrect|invalid|wrong|missing|blocked|disabled|revoked|expired|unknown|not valid)\b"
KEY = re.compile(
    rf"{_BAD}[^.\n]{{0,20}}\bapi[ _-]?key\b|\bapi[ _-]?key\b[^.\n]{{0,60}}{_BAD}"
    r"|\bunauthenticated\b|no authentication"
)
BLOCKED = re.compile(r"\b(team|account)\b[^.\n]{0,60}\b(blocked|suspended|disabled)\b")
MODEL = re.compile(r"\bmodels?\b")
MODEL_GONE = re.compile(
    r"\bmodel\b[^\n]{0,120}\b(does not exist|not found|no longer (available|supported)|retired)\b"
)
FAILED = re.compile(r"\b(generation|completion)\b( has| was)? (failed|aborted)|failed to generate")

RETRY_FORBIDDEN: Final = "told-not-to-retry"  # set by a header, for any status
_CREDITS, _KEY, _MODEL = PauseReason.CREDITS, PauseReason.KEY, PauseReason.MODEL
_SERVER = range(500, 600)
_TLS_TO_ORIGIN = (525, 526)  # the proxy did not reach the API, so nothing was processed
_SAFETY_AS = (400, 403, 422)  # observed as 403; with the others it must not be taken for a lost answer
_REDIRECT = range(300, 400)
_OTHER_4XX = range(400, 500)
_OTHER_2XX = range(200, 300)
_ANY = None

#    status            words       outcome                  our code              pauses the run
SUBMIT: Final = (
    ReplyRule(_OTHER_2XX, None, Outcome.AMBIGUOUS, "no-request-id"),
    ReplyRule(_REDIRECT, None, Outcome.REFUSED_FOR_NOW, "redirected"),  # not followed: the key must not leave
    ReplyRule((402,), None, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), RATE, Outcome.REFUSED_FOR_NOW, "rate-limited"),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.REFUSED, "safety"),
    ReplyRule((403, 429), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.REFUSED_FOR_NOW, "at-capacity"),
    ReplyRule((429,), None, Outcome.REFUSED_FOR_NOW, "rate-limited"),
    ReplyRule((401,), None, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule((400,), MODEL_GONE, Outcome.ACCOUNT, "model-gone", _MODEL),
    ReplyRule((404,), MODEL, Outcome.ACCOUNT, "model-gone", _MODEL),
    ReplyRule((400,), None, Outcome.REFUSED, "bad-request"),
    ReplyRule((404,), None, Outcome.REFUSED, "not-found"),
    ReplyRule((405,), None, Outcome.REFUSED, "wrong-method"),
    ReplyRule((408,), None, Outcome.AMBIGUOUS, "server-timeout"),
    ReplyRule((410,), None, Outcome.REFUSED, "feature-removed"),
    ReplyRule((413,), None, Outcome.REFUSED, "request-too-large"),
    ReplyRule((415,), None, Outcome.REFUSED, "wrong-content-type"),
    ReplyRule((422,), None, Outcome.REFUSED, "bad-field"),
    ReplyRule(_OTHER_4XX, None, Outcome.REFUSED, "refused"),
    ReplyRule((503,), CAPACITY, Outcome.REFUSED_FOR_NOW, "at-capacity"),
    ReplyRule((503,), None, Outcome.REFUSED_FOR_NOW, "unavailable"),
    ReplyRule(_TLS_TO_ORIGIN, None, Outcome.REFUSED_FOR_NOW, "unavailable"),
    ReplyRule((504, 522, 524), None, Outcome.AMBIGUOUS, "server-timeout"),
    ReplyRule(_SERVER, None, Outcome.AMBIGUOUS, "server-error"),
    ReplyRule(_ANY, None, Outcome.AMBIGUOUS, "odd-status"),
)

# A fetch may be repeated for free, so everything but a clear loss of the answer is LATER.
FETCH: Final = (
    ReplyRule((200,), None, Outcome.READY, "ready"),  # stored before it is parsed
    ReplyRule((202,), None, Outcome.NOT_READY, "not-ready"),
    ReplyRule(_OTHER_2XX, None, Outcome.LATER, "odd-status"),
    ReplyRule(_REDIRECT, None, Outcome.LATER, "redirected"),
    ReplyRule((401,), None, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((402,), None, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), RATE, Outcome.LATER, "rate-limited"),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.GENERATION_FAILED, "safety"),
    ReplyRule((403, 429), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.LATER, "at-capacity"),
    ReplyRule((429,), None, Outcome.LATER, "rate-limited"),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule(range(400, 600), FAILED, Outcome.GENERATION_FAILED, "generation-failed"),
    ReplyRule((400, 422), None, Outcome.GONE, "invalid-id"),
    ReplyRule((404, 410), None, Outcome.GONE, "result-gone"),
    ReplyRule((408,), None, Outcome.LATER, "server-timeout"),
    ReplyRule(_OTHER_4XX, None, Outcome.LATER, "odd-status"),
    ReplyRule((503,), None, Outcome.LATER, "unavailable"),
    ReplyRule((504, 522, 524), None, Outcome.LATER, "server-timeout"),
    ReplyRule(_SERVER, None, Outcome.LATER, "server-error"),
    ReplyRule(_ANY, None, Outcome.LATER, "odd-status"),
)
