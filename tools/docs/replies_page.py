"""docs/replies.md: how each reply of the API is classified, from the reply tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.explain import SENTENCES
from runner.rules.replies import reply_table, reply_words
from runner.rules.replies.error_body import BodyForm
from runner.rules.replies.reply import FETCH_FAULTS, SUBMIT_FAULTS, Fault

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from runner.rules.replies.reply_table import Outcome, ReplyRule

_WORDS: Final = {
    reply_words.RATE: "requests or tokens per second, minute, …",
    reply_words.CAPACITY: "at capacity, overloaded",
    reply_words.CREDITS: "credits used up, spending limit",
    reply_words.SAFETY: "usage guidelines, safety check",
    reply_words.KEY: "starts with a bad API key",
    reply_words.BLOCKED: "starts with a blocked team or account",
    reply_words.NO_PERMISSION: "starts with a team, account or key that may not do this",
    reply_words.MODEL: "a model",
    reply_words.MODEL_GONE: "starts with a model that does not exist",
    reply_words.REFERENCE: "an image, file or tool that is not found, too large, cannot be fetched, …",
    reply_words.THING: "an image, a file, a tool",
    reply_words.NO_ENDPOINT: "no such endpoint, route or page",
    reply_words.FAILED: "the generation failed",
    reply_words.RESULT_GONE: "a completion, result or request id that is not found, expired, …",
    reply_words.INVALID_ID: "a request id that is invalid",
}
_MAY_COST: Final = " (may cost)"
_FORMS: Final = {
    BodyForm.OBJECT: "a JSON object",
    BodyForm.PAGE: "a page of HTML",
    BodyForm.OTHER: "text, or nothing",
}
_FAULTS: Final = {
    Fault.NOT_SENT: "no connection: DNS, TCP or TLS failed",
    Fault.UNKNOWN: "sent, and no reply: silence, a reset, no HTTP",
    Fault.CUT: "the reply broke off, or dripped too slowly",
    Fault.TOO_LARGE: "the reply is too large",
}


def markdown() -> str:
    """Return the text of docs/replies.md."""
    lines = [
        "# Replies",
        "",
        "Generated from the reply tables and sentences in `runner/rules` by `make docs`; do not edit.",
        "",
        "The first row that fits counts. Words are looked for in the reply's code and sentence. What it",
        "quotes does not count, since it may come from the job line. Who answered counts as well: the API",
        "sends JSON objects.",
        "",
        "## To a submit",
        "",
        *_table(reply_table.SUBMIT, SUBMIT_FAULTS),
        "",
        "A 2xx with a `request_id` is `accepted`. One with a completion is `answered`: it is kept, with the",
        "code `not-deferred`. `transient`: sent again within `--max-attempts`. `model_refused`: the job is",
        "held; the run pauses (`model`) only if all of its jobs name refused models. `value_refused`: the",
        "job is held; after 20 in a row the run pauses (`failures`). `may cost`: nothing is spent, but the",
        "API may have taken the request. With `x-should-retry: false` what would be sent",
        "again is not, but for a rate limit or what is no job's fault: `told-not-to-retry`.",
        "",
        "## To a fetch",
        "",
        *_table(reply_table.FETCH, FETCH_FAULTS),
        "",
        "A fetch is free to repeat, so `x-should-retry` changes nothing: the answer may be paid for.",
        "",
        "`foreign`: the words are not the API's, as of another server. The answer is asked for again as",
        "after an unreadable reply, and is not bought again for it before its 24 hours are over.",
        "",
        "A 2xx (a 202 with a completion too) is an answer if it has a choice with a message. Without one it",
        "is final if it has `usage`,",
        "or an `id` and the type `chat.completion`, or the API's words for a failed generation or for",
        "safety. Any other (empty, a web page, cut JSON, `null`, an error of a proxy, a status) is",
        "unreadable: the same answer is asked for again after 1 s, 2 s, 4 s … 10 min, and held as",
        "`unreadable` when its 24 hours are over. The same bytes four times over ten minutes, while 20 other",
        "answers of the run were read, are taken for the answer.",
        "",
        "## What the codes mean",
        "",
        "| code | what happened, what to do |",
        "|---|---|",
        *(f"| `{code}` | {sentence} |" for code, sentence in SENTENCES.items()),
        "",
    ]
    return "\n".join(lines)


def _table(rows: tuple[ReplyRule, ...], faults: Mapping[Fault, tuple[Outcome, str]]) -> list[str]:
    return [
        "| status | words | outcome | code | pauses the run |",
        "|---|---|---|---|---|",
        *(
            f"| {_status(row.statuses)} | {_words(row)} | {row.outcome}{_MAY_COST if row.may_cost else ''} "
            f"| `{row.code}` | {row.pauses or ''} |"
            for row in rows
        ),
        *(
            f"| none | {_FAULTS[fault]} | {outcome} | `{code}` | |"
            for fault, (outcome, code) in faults.items()
        ),
    ]


def _words(row: ReplyRule) -> str:
    parts = [_FORMS[row.form]] if row.form else []
    return ": ".join([*parts, _WORDS[row.words]] if row.words else parts)


def _status(statuses: Container[int] | None) -> str:
    match statuses:
        case None:
            return "any"
        case range() if len(statuses) == 100:
            return f"{statuses.start // 100}xx"
        case range():
            return f"{statuses.start} to {statuses.stop - 1}"
        case tuple():
            return ", ".join(map(str, statuses))
        case _:
            raise TypeError(statuses)
