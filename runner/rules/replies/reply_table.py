"""The reply tables: from HTTP status and error text to the outcome for the job.

The first row that matches counts. Credits and safety are recognised by the text alone: the API has sent both
as 403, and credits as 402, 403 and 429 (xAI's debugging page, and reports of 2026).

One line's own content comes back in error messages: names of models and tools, addresses of images, parts of
schemas. So what a message quotes does not count (`ErrorText.words`), and the run pauses only for the API's
own sentence about the account (reply_words.py); a refusal that names none is that job's. Who answered counts
too: the API sends JSON objects, and a page of HTML is of a firewall, a login page or another server
(docs/decisions/0032).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.replies.error_body import BodyForm
from runner.rules.replies.reply_words import (
    BLOCKED,
    CAPACITY,
    CREDITS,
    FAILED,
    INVALID_ID,
    KEY,
    MODEL,
    MODEL_GONE,
    NO_ENDPOINT,
    NO_PERMISSION,
    RATE,
    REFERENCE,
    RESULT_GONE,
    SAFETY,
    THING,
)
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    import re
    from collections.abc import Container

    from runner.rules.replies.error_body import ErrorText


class Outcome(StrEnum):
    """What a reply, or a missing one, means for the job."""

    # of a submit
    ACCEPTED = "accepted"
    ANSWERED = "answered"  # at once, although a deferred answer was asked for: paid and kept
    NOT_SENT = "not_sent"
    REFUSED_FOR_NOW = "refused_for_now"
    TRANSIENT = "transient"  # refused; sent again within the attempts
    REFUSED = "refused"
    MODEL_REFUSED = "model_refused"  # the model of this line: the job is held, others go on
    VALUE_REFUSED = "value_refused"  # an image, a file or a tool of this line: held, others go on
    AMBIGUOUS = "ambiguous"
    # of either
    ACCOUNT = "account"  # the account's or a setting's: the run pauses, no job fails
    # of a fetch
    READY = "ready"
    NOT_READY = "not_ready"
    LATER = "later"
    GONE = "gone"
    FOREIGN = "foreign"  # not in the API's words, as of another server: nothing is known of the answer
    GENERATION_FAILED = "generation_failed"


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """One row of a table. None as `statuses`, `words` or `form` matches any."""

    statuses: Container[int] | None
    words: re.Pattern[str] | None
    outcome: Outcome
    code: str
    pauses: PauseReason | None = None
    form: BodyForm | None = None
    may_cost: bool = False  # nothing is spent, but the API may have taken and billed the request

    def matches(self, status: int, error: ErrorText) -> bool:
        """Return whether the row matches a status and an error."""
        return (
            (self.statuses is None or status in self.statuses)
            and (self.form is None or self.form is error.form)
            and (self.words is None or self.words.search(error.words) is not None)
        )


RETRY_FORBIDDEN: Final = "told-not-to-retry"  # set by a header, for any status
RATE_LIMITED: Final = "rate-limited"  # the code of a refusal by the team's limits
FIREWALL_PAGE: Final = "firewall-page"
_CREDITS, _KEY, _SETTING = PauseReason.CREDITS, PauseReason.KEY, PauseReason.SETTING
_SERVER = range(500, 600)
_TIMEOUT = (504, 522, 524)
_ORIGIN = (521, 523, 525, 526, 530)  # Cloudflare did not reach the API, so nothing was processed
_NETWORK = (407, 511)  # a proxy or a network wants a login
_SAFETY_AS = (400, 403, 422)  # observed as 403; with the others it must not be taken for a lost answer
_AS_GONE = (400, 403, 404, 410, 422)
_REDIRECT = range(300, 400)
_4XX = range(400, 500)
_2XX = range(200, 300)
_PAGE, _OBJECT, _OTHER = BodyForm.PAGE, BodyForm.OBJECT, BodyForm.OTHER

#    status            words       outcome                  our code              pauses the run
SUBMIT: Final = (
    ReplyRule(_2XX, None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_PAGE),
    ReplyRule(_2XX, None, Outcome.AMBIGUOUS, "no-request-id"),
    ReplyRule(_REDIRECT, None, Outcome.REFUSED_FOR_NOW, "redirected"),  # not followed: the key must not leave
    ReplyRule(_NETWORK, None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE),
    ReplyRule((401, 402), None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_PAGE),
    ReplyRule((401,), None, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((402,), None, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((404,), NO_ENDPOINT, Outcome.ACCOUNT, "not-found", _SETTING),
    ReplyRule((404,), None, Outcome.ACCOUNT, "not-found", _SETTING, form=_PAGE),
    ReplyRule((404,), MODEL_GONE, Outcome.MODEL_REFUSED, "model-gone"),
    ReplyRule((404,), REFERENCE, Outcome.VALUE_REFUSED, "reference-gone", form=_OBJECT),
    ReplyRule((404,), MODEL, Outcome.MODEL_REFUSED, "model-gone", form=_OBJECT),
    ReplyRule((404,), None, Outcome.ACCOUNT, "not-found", _SETTING),
    ReplyRule((405,), None, Outcome.ACCOUNT, "wrong-method", _SETTING),
    ReplyRule((408,), None, Outcome.AMBIGUOUS, "server-timeout"),
    ReplyRule((413, 415), THING, Outcome.VALUE_REFUSED, "reference-refused", form=_OBJECT),
    ReplyRule((413,), None, Outcome.REFUSED, "request-too-large"),
    ReplyRule((415,), None, Outcome.ACCOUNT, "wrong-content-type", _SETTING),
    ReplyRule((429,), RATE, Outcome.REFUSED_FOR_NOW, RATE_LIMITED),
    ReplyRule((429,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.REFUSED_FOR_NOW, "at-capacity"),
    ReplyRule((429,), None, Outcome.REFUSED_FOR_NOW, RATE_LIMITED),
    ReplyRule(_4XX, None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_PAGE),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.REFUSED, "safety", form=_OBJECT),
    ReplyRule((403,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_OTHER),
    ReplyRule((403,), THING, Outcome.VALUE_REFUSED, "not-allowed"),
    ReplyRule((403,), MODEL, Outcome.MODEL_REFUSED, "model-not-allowed"),
    ReplyRule((403,), NO_PERMISSION, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule((403,), None, Outcome.VALUE_REFUSED, "not-allowed"),
    ReplyRule((400, 410, 422), MODEL_GONE, Outcome.MODEL_REFUSED, "model-gone"),
    ReplyRule((400, 422), REFERENCE, Outcome.VALUE_REFUSED, "reference-refused", form=_OBJECT),
    ReplyRule((400,), None, Outcome.REFUSED, "bad-request"),
    ReplyRule((409,), None, Outcome.TRANSIENT, "conflict"),
    ReplyRule((410,), None, Outcome.REFUSED, "feature-removed"),
    ReplyRule((422,), None, Outcome.REFUSED, "bad-field"),
    ReplyRule((425,), None, Outcome.TRANSIENT, "too-early"),
    ReplyRule((499,), None, Outcome.TRANSIENT, "closed-early"),
    ReplyRule(_4XX, None, Outcome.REFUSED, "refused"),
    ReplyRule((503,), CAPACITY, Outcome.REFUSED_FOR_NOW, "at-capacity", may_cost=True),
    ReplyRule((503,), None, Outcome.REFUSED_FOR_NOW, "unavailable", may_cost=True),
    ReplyRule(_ORIGIN, None, Outcome.NOT_SENT, "origin-unreachable"),
    ReplyRule((529,), None, Outcome.AMBIGUOUS, "overloaded"),  # so named by xAI's own client
    ReplyRule(_TIMEOUT, None, Outcome.AMBIGUOUS, "server-timeout"),
    ReplyRule(_SERVER, None, Outcome.AMBIGUOUS, "server-error"),
    ReplyRule(None, None, Outcome.AMBIGUOUS, "odd-status"),
)

MODEL_CODES: Final = frozenset(row.code for row in SUBMIT if row.outcome is Outcome.MODEL_REFUSED)

# A fetch may be repeated for free, so everything but a clear loss of the answer is LATER.
FETCH: Final = (
    ReplyRule((202,), None, Outcome.READY, "ready", form=_PAGE),  # no answer, as the same with 200
    ReplyRule((202,), None, Outcome.NOT_READY, "not-ready"),
    ReplyRule(_2XX, None, Outcome.READY, "ready"),  # handed out once
    ReplyRule(_REDIRECT, None, Outcome.LATER, "redirected"),
    ReplyRule(_NETWORK, None, Outcome.LATER, FIREWALL_PAGE),
    ReplyRule((401, 402), None, Outcome.LATER, FIREWALL_PAGE, form=_PAGE),
    ReplyRule((401,), None, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((402,), None, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), RATE, Outcome.LATER, RATE_LIMITED),
    ReplyRule((429,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.LATER, "at-capacity"),
    ReplyRule((429,), None, Outcome.LATER, RATE_LIMITED),
    ReplyRule(_4XX, None, Outcome.LATER, FIREWALL_PAGE, form=_PAGE),
    ReplyRule((404,), NO_ENDPOINT, Outcome.ACCOUNT, "not-found", _SETTING),
    ReplyRule((405,), None, Outcome.ACCOUNT, "wrong-method", _SETTING),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.GENERATION_FAILED, "safety", form=_OBJECT),
    ReplyRule((403,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.LATER, FIREWALL_PAGE, form=_OTHER),
    ReplyRule((403,), NO_PERMISSION, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule(range(400, 600), FAILED, Outcome.GENERATION_FAILED, "generation-failed", form=_OBJECT),
    ReplyRule((404, 410), RESULT_GONE, Outcome.GONE, "result-gone", form=_OBJECT),
    ReplyRule((400, 422), INVALID_ID, Outcome.GONE, "invalid-id", form=_OBJECT),
    ReplyRule(_AS_GONE, None, Outcome.FOREIGN, "unknown-reply"),
    ReplyRule((408,), None, Outcome.LATER, "server-timeout"),
    ReplyRule(_4XX, None, Outcome.LATER, "odd-status"),
    ReplyRule((503,), None, Outcome.LATER, "unavailable"),
    ReplyRule(_ORIGIN, None, Outcome.LATER, "origin-unreachable"),
    ReplyRule((529,), None, Outcome.LATER, "overloaded"),
    ReplyRule(_TIMEOUT, None, Outcome.LATER, "server-timeout"),
    ReplyRule(_SERVER, None, Outcome.LATER, "server-error"),
    ReplyRule(None, None, Outcome.LATER, "odd-status"),
)
