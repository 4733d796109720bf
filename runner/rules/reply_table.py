"""The reply tables: from HTTP status and error text to the outcome for the job.

The first row that matches counts. Credits and safety are recognised by the text alone: the API has sent both
as 403, and credits as 402, 403 and 429 (xAI's debugging page, and reports of 2026).

One line's own content comes back in error messages: names of models and tools, addresses of images, parts of
schemas. So what a message quotes does not count (`ErrorText.words`), and a pattern that pauses the whole run
matches only where the API's own sentence begins. Who answered counts too: the API sends JSON objects, and a
page of HTML is of a firewall, a login page or another server (docs/decisions/0032).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.error_body import BodyForm
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Container

    from runner.rules.error_body import ErrorText


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
    AMBIGUOUS = "ambiguous"
    # of either
    ACCOUNT = "account"  # the account's or a setting's: the run pauses, no job fails
    # of a fetch
    READY = "ready"
    NOT_READY = "not_ready"
    LATER = "later"
    GONE = "gone"
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


RATE = re.compile(r"(requests|tokens) per (second|minute|hour|day)")
CAPACITY = re.compile(r"at capacity|overloaded|high demand")
SAFETY = re.compile(r"usage guidelines|safety_check|failed check|content (violates|policy)")
FAILED = re.compile(r"\b(generation|completion)\b( has| was)? (failed|aborted)|failed to generate")

# Patterns of the account and the model: from the start of the code, the message or a sentence of it.
_SENTENCE = r"(?m)(?:^|[.!?] )"
_LINE = r"(?m)^(?:error: )?"
_OWNER = r"(?:(?:your|the|this) )?(?:\w+ ){0,3}?(?:team|account|organization|key)"
_BAD = r"(?:incorrect|invalid|wrong|missing|blocked|disabled|revoked|expired|unknown|not valid)"
CREDITS = re.compile(
    rf"{_SENTENCE}(?:(?:your|you|{_OWNER})\b[^.\n]{{0,160}}?)?\b(?:"
    r"(?:all|any|available|out of|no|not enough|insufficient|more|remaining)\b[^.\n]{0,40}\bcredits?\b"
    r"|credits?\b[^.\n]{0,30}\b(?:exhausted|depleted|used up|expired)"
    r"|spending[ -]limit|insufficient[ _](?:funds|balance|quota)|payment[ _]required)"
)
KEY = re.compile(
    rf"{_LINE}(?:(?:no|{_BAD})[ _]api[ _-]?key(?:$|[.:,;]| provided| in (?:the )?(?:request|header))"
    rf"|(?:the |your |this )?(?:provided )?api[ -]?key (?:provided |\S{{1,80}} )?"
    rf"(?:is|was|has been) (?:\w+ ){{0,2}}?{_BAD}"
    r"|unauthenticated\b|no authentication\b)"
)
BLOCKED = re.compile(
    rf"{_LINE}(?:your |the |this )(?:team|account|organization)\b(?: \S{{1,80}})?"
    r" (?:is|was|has been) (?:\w+ ){0,2}?(?:blocked|suspended|disabled)\b"
)
MODEL_GONE = re.compile(
    rf"{_LINE}(?:model[_ -]not[_ -]found\b|(?:the |this |requested ){{0,2}}model:? \S{{1,200}}"
    r" (?:does not exist|(?:is |was )?not found|is not (?:available|supported|served|enabled)"
    r"|(?:is |has been |was )(?:no longer|retired|deprecated|removed)))"
)
MODEL = re.compile(r"\bmodels?\b")
REFERENCE = re.compile(
    r"\b(?:file|image|document|collection|attachment|vector store|assistant|tool)s?\b[^\n]{0,160}"
    r"\b(?:not found|not exist|no longer|expired|deleted)\b"
    r"|\bno (?:such )?(?:file|image|document|collection|attachment|vector store|assistant|tool)\b"
)
MEDIA = re.compile(r"\b(?:image|file|audio|video|document)s?\b")
LINE_FEATURE = re.compile(r"\b(?:image|file|document|collection|tool|web search|x search)s?\b")
NO_ENDPOINT = re.compile(
    r"no (?:such )?(?:endpoint|route|page)\b|page not found|cannot (?:get|post)\b|unknown (?:path|url|route)"
)

RETRY_FORBIDDEN: Final = "told-not-to-retry"  # set by a header, for any status
FIREWALL_PAGE: Final = "firewall-page"
_CREDITS, _KEY, _SETTING = PauseReason.CREDITS, PauseReason.KEY, PauseReason.SETTING
_SERVER = range(500, 600)
_TIMEOUT = (504, 522, 524)
_ORIGIN = (521, 523, 525, 526, 530)  # Cloudflare did not reach the API, so nothing was processed
_NETWORK = (407, 511)  # a proxy or a network wants a login
_SAFETY_AS = (400, 403, 422)  # observed as 403; with the others it must not be taken for a lost answer
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
    ReplyRule((404,), MODEL_GONE, Outcome.MODEL_REFUSED, "model-gone", form=_OBJECT),
    ReplyRule((404,), REFERENCE, Outcome.REFUSED, "reference-gone", form=_OBJECT),
    ReplyRule((404,), None, Outcome.ACCOUNT, "not-found", _SETTING),
    ReplyRule((405,), None, Outcome.ACCOUNT, "wrong-method", _SETTING),
    ReplyRule((408,), None, Outcome.AMBIGUOUS, "server-timeout"),
    ReplyRule((413,), None, Outcome.REFUSED, "request-too-large"),
    ReplyRule((415,), MEDIA, Outcome.REFUSED, "bad-request", form=_OBJECT),
    ReplyRule((415,), None, Outcome.ACCOUNT, "wrong-content-type", _SETTING),
    ReplyRule((429,), RATE, Outcome.REFUSED_FOR_NOW, "rate-limited"),
    ReplyRule((429,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.REFUSED_FOR_NOW, "at-capacity"),
    ReplyRule((429,), None, Outcome.REFUSED_FOR_NOW, "rate-limited"),
    ReplyRule(_4XX, None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_PAGE),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.REFUSED, "safety", form=_OBJECT),
    ReplyRule((403,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.REFUSED_FOR_NOW, FIREWALL_PAGE, form=_OTHER),
    ReplyRule((403,), MODEL, Outcome.MODEL_REFUSED, "model-not-allowed"),
    ReplyRule((403,), LINE_FEATURE, Outcome.REFUSED, "not-allowed"),
    ReplyRule((403,), None, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule((400,), MODEL_GONE, Outcome.MODEL_REFUSED, "model-gone"),
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
    ReplyRule((200,), None, Outcome.READY, "ready"),  # stored before it is parsed
    ReplyRule((202,), None, Outcome.NOT_READY, "not-ready"),
    ReplyRule(_2XX, None, Outcome.LATER, "odd-status"),
    ReplyRule(_REDIRECT, None, Outcome.LATER, "redirected"),
    ReplyRule(_NETWORK, None, Outcome.LATER, FIREWALL_PAGE),
    ReplyRule((401, 402), None, Outcome.LATER, FIREWALL_PAGE, form=_PAGE),
    ReplyRule((401,), None, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((402,), None, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), RATE, Outcome.LATER, "rate-limited"),
    ReplyRule((429,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((429,), CAPACITY, Outcome.LATER, "at-capacity"),
    ReplyRule((429,), None, Outcome.LATER, "rate-limited"),
    ReplyRule(_4XX, None, Outcome.LATER, FIREWALL_PAGE, form=_PAGE),
    ReplyRule((404,), NO_ENDPOINT, Outcome.ACCOUNT, "not-found", _SETTING),
    ReplyRule((405,), None, Outcome.ACCOUNT, "wrong-method", _SETTING),
    ReplyRule(_SAFETY_AS, SAFETY, Outcome.GENERATION_FAILED, "safety", form=_OBJECT),
    ReplyRule((403,), CREDITS, Outcome.ACCOUNT, "credits-gone", _CREDITS),
    ReplyRule((400, 403), KEY, Outcome.ACCOUNT, "key-refused", _KEY),
    ReplyRule((400, 403), BLOCKED, Outcome.ACCOUNT, "team-blocked", _KEY),
    ReplyRule((403,), None, Outcome.LATER, FIREWALL_PAGE, form=_OTHER),
    ReplyRule((403,), None, Outcome.ACCOUNT, "no-permission", _KEY),
    ReplyRule(range(400, 600), FAILED, Outcome.GENERATION_FAILED, "generation-failed", form=_OBJECT),
    ReplyRule((400, 422), None, Outcome.GONE, "invalid-id"),
    ReplyRule((404, 410), None, Outcome.GONE, "result-gone"),
    ReplyRule((408,), None, Outcome.LATER, "server-timeout"),
    ReplyRule(_4XX, None, Outcome.LATER, "odd-status"),
    ReplyRule((503,), None, Outcome.LATER, "unavailable"),
    ReplyRule(_ORIGIN, None, Outcome.LATER, "origin-unreachable"),
    ReplyRule((529,), None, Outcome.LATER, "overloaded"),
    ReplyRule(_TIMEOUT, None, Outcome.LATER, "server-timeout"),
    ReplyRule(_SERVER, None, Outcome.LATER, "server-error"),
    ReplyRule(None, None, Outcome.LATER, "odd-status"),
)
