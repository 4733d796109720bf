"""Classification of every HTTP reply, and of every missing one. The tables are in reply_table.py.

The body of a ready answer (200 to a fetch) is not read here: it is stored before anything parses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from runner.rules.explain import explain
from runner.rules.json_text import answer_json
from runner.rules.redact import one_line, redact_cut
from runner.rules.replies import chat_completion, error_body, reply_table
from runner.rules.replies.chat_completion import Kind
from runner.rules.replies.reply_table import FIREWALL_PAGE, RATE_LIMITED, RETRY_FORBIDDEN, Outcome, ReplyRule
from runner.rules.storable_text import is_storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runner.rules.states import PauseReason

__all__ = [
    "Classification",
    "Fault",
    "Outcome",
    "Reply",
    "classify_fetch",
    "classify_fetch_fault",
    "classify_submit",
    "classify_submit_fault",
]

RETRY_AFTER_S_MAX: Final = 120.0
MESSAGE_LENGTH_MAX: Final = 500
QUOTE_LENGTH_MAX: Final = 120
REQUEST_ID_LENGTH_MAX: Final = 200
_SECONDS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One whole HTTP reply; `headers` is looked up by lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What a reply means for the job."""

    outcome: Outcome
    code: str  # our own stable code
    message: str = ""  # one line for display, without secrets
    reason: PauseReason | None = None  # set exactly if the run has to pause
    retry_after_s: float | None = None
    request_id: str | None = None  # set exactly if the job was accepted
    may_cost: bool = False  # nothing was spent, but the API may have taken and billed the request


class Fault(StrEnum):
    """Why there is no whole reply."""

    NOT_SENT = "not_sent"  # DNS, connect or TLS failed: no byte of the request was sent
    UNKNOWN = "unknown"  # timeout or reset after sending
    CUT = "cut"  # the reply is incomplete
    TOO_LARGE = "too_large"  # the reply is above the size limit


_READY: Final = Classification(outcome=Outcome.READY, code="ready")
_NOT_READY: Final = Classification(outcome=Outcome.NOT_READY, code="not-ready")
_ANSWERED: Final = Classification(
    outcome=Outcome.ANSWERED, code="not-deferred", message=explain("not-deferred")
)
# Their words are not the API's, so our sentence comes first.
_EXPLAINED: Final = frozenset(
    {
        FIREWALL_PAGE,
        "unknown-reply",
        "redirected",
        "not-found",
        "wrong-method",
        "wrong-content-type",
        "origin-unreachable",
    }
)
_OF_A_COMPLETION: Final = frozenset({"choices", "usage", "object"})
_ALWAYS_PASSES: Final = frozenset({RATE_LIMITED, FIREWALL_PAGE, "redirected"})

SUBMIT_FAULTS: Final = {
    Fault.NOT_SENT: (Outcome.NOT_SENT, "connect-failed"),
    Fault.UNKNOWN: (Outcome.AMBIGUOUS, "no-reply"),
    Fault.CUT: (Outcome.AMBIGUOUS, "reply-cut"),
    Fault.TOO_LARGE: (Outcome.AMBIGUOUS, "reply-too-large"),
}
FETCH_FAULTS: Final = {
    Fault.NOT_SENT: (Outcome.LATER, "connect-failed"),
    Fault.UNKNOWN: (Outcome.LATER, "no-reply"),
    Fault.CUT: (Outcome.LATER, "reply-cut"),
    Fault.TOO_LARGE: (Outcome.GONE, "reply-too-large"),  # the API hands out an answer only once
}


def classify_submit(reply: Reply, *, now_s: float, secrets: Iterable[str]) -> Classification:
    """Classify the reply to a submit. `now_s` is Unix time, for a Retry-After with a date.

    `secrets` are hidden in the message, since the API may repeat one. Never raises.
    """
    if 200 <= reply.status < 300:
        fields = _json_object(reply.body)
        if _is_answer(fields, reply.body):  # also where a gateway adds a request_id: the answer is here
            return _ANSWERED
        request_id = fields.get("request_id")
        if isinstance(request_id, str) and _is_request_id(request_id):
            return Classification(outcome=Outcome.ACCEPTED, code="accepted", request_id=request_id)
    found = _classify(reply_table.SUBMIT, reply, now_s, secrets)
    if reply.headers.get("x-should-retry", "").strip().lower() == "false":
        return _without_retry(found)
    return found


def classify_fetch(reply: Reply, *, now_s: float, secrets: Iterable[str]) -> Classification:
    """Classify the reply to a fetch; arguments as for `classify_submit`. The body of a 200 is not read.

    An answer is handed out once, so it counts with any 2xx.
    """
    if reply.status == 200:
        return _READY
    is_empty = not reply.body.strip()
    if reply.status == 202 and is_empty and "retry-after" not in reply.headers:
        return _NOT_READY
    if reply.status == 202 and not is_empty and chat_completion.read_completion(reply.body).is_verbatim:
        return _READY
    return _classify(reply_table.FETCH, reply, now_s, secrets)


def classify_submit_fault(fault: Fault, detail: str, *, secrets: Iterable[str]) -> Classification:
    """Classify a submit without a whole reply; `detail` is the error in a sentence."""
    outcome, code = SUBMIT_FAULTS[fault]
    return Classification(outcome=outcome, code=code, message=_message(detail, secrets))


def classify_fetch_fault(fault: Fault, detail: str, *, secrets: Iterable[str]) -> Classification:
    """Classify a fetch without a whole reply; `detail` is the error in a sentence."""
    outcome, code = FETCH_FAULTS[fault]
    return Classification(outcome=outcome, code=code, message=_message(detail, secrets))


def retry_after_s(value: str | None, *, now_s: float) -> float | None:
    """Return a Retry-After header, seconds or a date, as seconds from now, at most 120.

    None if it is missing, invalid, negative or in the past.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_S_MAX)
    try:
        date = parsedate_to_datetime(text)
        wait_s = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(wait_s, RETRY_AFTER_S_MAX) if wait_s >= 0 else None


def _classify(
    table: tuple[ReplyRule, ...], reply: Reply, now_s: float, secrets: Iterable[str]
) -> Classification:
    error = error_body.error_text(reply.body)
    row = next(row for row in table if row.matches(reply.status, error))
    words = redact_cut(error.text or error.code, secrets)
    if row.code in _EXPLAINED:
        words = f"{explain(row.code)} {_quoted(words, reply.status)}"
    return Classification(
        outcome=row.outcome,
        code=row.code,
        message=_message(words or explain(row.code), secrets),
        reason=row.pauses,
        retry_after_s=retry_after_s(reply.headers.get("retry-after"), now_s=now_s),
        may_cost=row.may_cost,
    )


def _json_object(body: bytes) -> dict[str, object]:
    try:
        value = answer_json.read_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_request_id(text: str) -> bool:
    """Return whether a text can be kept and asked for; any other is a gateway's, not xAI's."""
    return 0 < len(text) <= REQUEST_ID_LENGTH_MAX and is_storable(text)


def _is_answer(fields: dict[str, object], body: bytes) -> bool:
    """Return whether a reply to a submit is the answer itself, generated and billed, as recovery reads it."""
    if not _OF_A_COMPLETION & fields.keys():
        return False
    answer = chat_completion.read_completion(body)
    return answer.is_final and answer.kind not in (Kind.GENERATION_FAILED, Kind.SAFETY)


def _quoted(words: str, status: int) -> str:
    words = one_line(words, QUOTE_LENGTH_MAX).strip(" .")
    return f"(HTTP {status}: {words})" if words else f"(HTTP {status})"


def _without_retry(found: Classification) -> Classification:
    """Apply `x-should-retry: false` as xAI's own client does, but not to what passes or is no job's fault."""
    if found.code in _ALWAYS_PASSES:
        return found
    match found.outcome:
        case Outcome.REFUSED_FOR_NOW | Outcome.TRANSIENT:
            return replace(found, outcome=Outcome.REFUSED, code=RETRY_FORBIDDEN)
        case Outcome.AMBIGUOUS:
            return replace(found, code=RETRY_FORBIDDEN)
        case _:
            return found


def _message(text: str, secrets: Iterable[str]) -> str:
    return one_line(redact_cut(text, secrets), MESSAGE_LENGTH_MAX)
