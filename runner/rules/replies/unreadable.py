"""Replies to fetches that are no answers: when to ask again, when to give up, and what they were.

A web page of a proxy, an empty body, JSON that breaks off: such a reply says nothing about the answer, which
may still be there. So the answer is asked for again, and is not bought again.
"""

from __future__ import annotations

import re
from typing import Final

from runner.rules.json_text.answer_json import read_json, without_surrogates
from runner.rules.redact import one_line, redact
from runner.rules.replies import error_body
from runner.rules.sending.polling import EXPIRES_AFTER_S
from runner.rules.sending.probes import PROBE_WAIT_S_MAX

WAIT_S_MAX: Final = 600.0
WAIT_S_MIN: Final = 1.0
SAME_MIN: Final = 4  # equal replies in a row ...
SAME_FOR_S: Final = 600.0  # ... over at least this time ...
OTHERS_READ_MIN: Final = 20  # ... while so many other answers of the run were read: then it is the answer
OUTAGE_AFTER: Final = 3  # unreadable replies in a row, of whatever jobs
BODY_BYTES_KEPT: Final = 64 << 10  # of the first and of the last reply of an attempt
_JITTER: Final = 0.1
_TEXT_LENGTH: Final = 60
_TITLE: Final = re.compile(rb"(?is)<title\b[^>]*>(.*?)</title>")
_MARKUP: Final = re.compile(rb"(?is)\s*<(!doctype|html|head|body|\?xml|!--)")


def wait_s(replies: int, age_s: float, rng_unit: float) -> float:
    """Return the seconds to wait after so many unreadable replies to one attempt: 1, 2, 4 ... 600.

    With jitter, and never more than half of the time left until the result expires. `age_s` counts from the
    acceptance; `rng_unit` is a random number from [0, 1).
    """
    wait = min(WAIT_S_MAX, 2.0 ** min(max(replies, 1) - 1, 20))
    left_s = EXPIRES_AFTER_S - age_s
    if left_s > 0:
        wait = min(wait, left_s / 2)
    return max(WAIT_S_MIN, wait) * _jitter(rng_unit)


def probe_wait_s(probes: int, rng_unit: float) -> float:
    """Return the seconds to the next probe of an outage after so many probes: 1, 2, 4 ... 30, with jitter."""
    return min(PROBE_WAIT_S_MAX, 2.0 ** min(probes, 10)) * _jitter(rng_unit)


def is_the_answer(same: int, same_for_s: float, others_read: int) -> bool:
    """Return whether a reply is what the API has for this request, so that asking again does not help.

    `same`: equal replies in a row, over `same_for_s` seconds, while `others_read` other answers were read.
    """
    return same >= SAME_MIN and same_for_s >= SAME_FOR_S and others_read >= OTHERS_READ_MIN


def describe(body: bytes) -> str:
    """Return in a few words what an unreadable reply was, without secrets and on one line."""
    beginning = _shown(body[: 4 * _TEXT_LENGTH].decode("utf-8", "replace"))
    if not body.strip():
        return "an empty reply"
    if _MARKUP.match(body):
        title = _TITLE.search(body[:BODY_BYTES_KEPT])
        named = _shown(title[1].decode("utf-8", "replace")) if title else ""
        return f"a web page ({named})" if named else "a web page"
    try:
        value = read_json(body)
    except ValueError:
        if body.lstrip()[:1] in (b"{", b"["):
            return f"JSON that is broken or cut off ({beginning})"
        return f"text that is not JSON ({beginning})"
    if isinstance(value, dict) and value.get("error"):
        found = error_body.error_text_of_object(value)
        return f"an error ({_shown(found.text or found.code)})"
    return f"JSON that is no answer ({beginning})"


def _shown(text: str) -> str:
    return one_line(redact(without_surrogates(text), ()), _TEXT_LENGTH)


def _jitter(rng_unit: float) -> float:
    return 1 + _JITTER * (2 * rng_unit - 1)
