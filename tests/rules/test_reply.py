"""Every reply has one classification; the bodies are recorded from xAI, or what proxies send instead."""

from __future__ import annotations

import json
from email.utils import formatdate
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.advice import Advice
from runner.rules.explain import explain
from runner.rules.replies import error_body, reply_table
from runner.rules.replies.reply import (
    Classification,
    Fault,
    Outcome,
    Reply,
    classify_fetch,
    classify_fetch_fault,
    classify_submit,
    classify_submit_fault,
    retry_after_s,
)
from runner.rules.states import PauseReason

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_S = 1_795_000_000.0
ID = "5f2f2f0e-8d8e-4a55-9d7f-0a7b6a3a1f10"


def flat(code: str, error: str) -> bytes:
    return json.dumps({"code": code, "error": error}).encode()


def nested(code: str, message: str) -> bytes:
    return json.dumps({"error": {"message": message, "code": code, "type": "invalid_request_error"}}).encode()


RATE = flat(
    "resource-exhausted",
    "Too many requests for team 1b and model grok-4-0709. Your team's rate limit is - "
    "Requests per Minute (actual/limit): 121/120.",
)
RATE_AND_ADVICE = flat(
    "resource-exhausted", "Tokens per Minute (actual/limit): 9/8. Buy more credits to raise your limits."
)
CREDITS = flat(
    "Some resource has been exhausted",
    "Your team 1b has either used all available credits or reached its monthly spending limit.",
)
NO_CREDITS = flat(
    "The caller does not have permission to execute the specified operation",
    "Your newly created team doesn't have any credits or licenses yet. You can purchase those.",
)
CAPACITY = flat(
    "resource-exhausted", "The model is currently at capacity due to high demand. Please try again."
)
SAFETY = flat(
    "The caller does not have permission to execute the specified operation",
    "Content violates usage guidelines. Team: 1b, API key ID: 2c, Failed check: SAFETY_CHECK_TYPE_BIO",
)
PERMISSION = flat("permission-denied", "Team is not authorized to perform this action.")
BLOCKED = flat("permission-denied", "Your team 1b is blocked. Contact support@x.ai.")
WRONG_KEY = flat(
    "Client specified an invalid argument",
    "Incorrect API key provided: xa***xx. You can obtain an API key from https://console.x.ai.",
)
BAD_PARAMETER = flat("invalid-argument", "Argument not supported on this model: presencePenalty")
NO_MODEL = flat(
    "Some requested entity was not found",
    "The model grok-9 does not exist or your team 1b does not have access to it.",
)
NO_PATH = flat("not-found", "The requested resource was not found. Please check the URL and try again.")
NO_MODEL_ACCESS = flat("permission-denied", "Your API key does not have access to the model grok-4.7.")
LOGIN = b"\xef\xbb\xbf\n<!-- portal -->\n<!DOCTYPE HTML><HTML><title>Guest login</title></HTML>"
XHTML = (
    b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>Accept the terms</body></html>'
)
HTML = b"<html><head><title>502 Bad Gateway</title><style>a{}</style></head><body>cloudflare</body></html>"

SUBMITS = [
    # status, body, outcome, code, pauses
    (200, b'{"request_id":"%s"}' % ID.encode(), "accepted", "accepted", None),
    (202, b'\xef\xbb\xbf {"request_id":"%s","error":null}' % ID.encode(), "accepted", "accepted", None),
    (200, b"", "ambiguous", "no-request-id", None),
    (200, b'{"request_id":17}', "ambiguous", "no-request-id", None),
    (200, b'{"request_id":""}', "ambiguous", "no-request-id", None),
    (200, b'{"request_id":"a\\u0000"}', "ambiguous", "no-request-id", None),
    (200, b'{"request_id":"a\\ud83d"}', "ambiguous", "no-request-id", None),
    (200, b'["request_id"]', "ambiguous", "no-request-id", None),
    (200, b'{"request_id":"%s"' % ID.encode(), "ambiguous", "no-request-id", None),
    (200, flat("internal", "something broke"), "ambiguous", "no-request-id", None),
    (200, HTML, "refused_for_now", "firewall-page", None),
    (200, LOGIN, "refused_for_now", "firewall-page", None),
    (203, XHTML, "refused_for_now", "firewall-page", None),
    (200, b'{"choices":[{"message":{"content":"4"}}]}', "answered", "not-deferred", None),
    (200, b'{"choices":[],"usage":{"total_tokens":9}}', "answered", "not-deferred", None),
    (200, b'{"id":"a","object":"chat.completion"}', "answered", "not-deferred", None),
    (200, b'{"object":"chat.completion"}', "ambiguous", "no-request-id", None),
    (
        200,
        b'{"request_id":"r","choices":[{"message":{"content":"\\ud83d"}}]}',
        "answered",
        "not-deferred",
        None,
    ),
    (200, b'{"choices":[{"text":"a"}]}', "ambiguous", "no-request-id", None),
    (302, b"", "refused_for_now", "redirected", None),
    (429, RATE, "refused_for_now", "rate-limited", None),
    (429, RATE_AND_ADVICE, "refused_for_now", "rate-limited", None),
    (429, b"", "refused_for_now", "rate-limited", None),
    (429, CAPACITY, "refused_for_now", "at-capacity", None),
    (429, CREDITS, "account", "credits-gone", "credits"),
    (403, CREDITS, "account", "credits-gone", "credits"),
    (403, NO_CREDITS, "account", "credits-gone", "credits"),
    (402, flat("personal-team-blocked:spending-limit", ""), "account", "credits-gone", "credits"),
    (401, b"", "account", "key-refused", "key"),
    (400, WRONG_KEY, "account", "key-refused", "key"),
    (400, nested("invalid_api_key", "Invalid API key"), "account", "key-refused", "key"),
    (
        403,
        flat("permission-denied", "API key is currently blocked: xai-...abcd"),
        "account",
        "key-refused",
        "key",
    ),
    (403, BLOCKED, "account", "team-blocked", "key"),
    (403, PERMISSION, "account", "no-permission", "key"),
    (403, HTML, "refused_for_now", "firewall-page", None),
    (403, b"error code: 1020", "refused_for_now", "firewall-page", None),
    (403, b"Access denied by policy", "refused_for_now", "firewall-page", None),
    (403, b"", "refused_for_now", "firewall-page", None),
    (407, b"", "refused_for_now", "firewall-page", None),
    (401, HTML, "refused_for_now", "firewall-page", None),
    (402, HTML, "refused_for_now", "firewall-page", None),
    (511, HTML, "refused_for_now", "firewall-page", None),
    (400, HTML, "refused_for_now", "firewall-page", None),
    (403, NO_MODEL_ACCESS, "model_refused", "model-not-allowed", None),
    (
        403,
        flat("permission-denied", "Your team may not use web search."),
        "value_refused",
        "not-allowed",
        None,
    ),
    (403, SAFETY, "refused", "safety", None),
    (403, nested("permission_denied", "Failed check: SAFETY_CHECK_TYPE_CSAM"), "refused", "safety", None),
    (400, SAFETY, "refused", "safety", None),
    (404, NO_MODEL, "model_refused", "model-gone", None),
    (
        404,
        nested("model_not_found", "The model `gpt 4o` does not exist"),
        "model_refused",
        "model-gone",
        None,
    ),
    (404, b'{"error":"model \'grok-9\' not found"}', "model_refused", "model-gone", None),
    (400, flat("invalid-argument", "Model not found: grok-9"), "model_refused", "model-gone", None),
    (
        400,
        flat("invalid-argument", "The model grok-2 has been retired."),
        "model_refused",
        "model-gone",
        None,
    ),
    (404, NO_PATH, "account", "not-found", "setting"),
    (404, b'{"detail":"Not Found"}', "account", "not-found", "setting"),
    (404, b"404 page not found", "account", "not-found", "setting"),
    (404, b"", "account", "not-found", "setting"),
    (404, flat("not-found", "/v1beta/models/chat/completions"), "account", "not-found", "setting"),
    (404, flat("not-found", "The file file-7 was not found."), "value_refused", "reference-gone", None),
    (400, BAD_PARAMETER, "refused", "bad-request", None),
    (400, b"", "refused", "bad-request", None),
    (405, b"", "account", "wrong-method", "setting"),
    (409, flat("conflict", "Try again."), "transient", "conflict", None),
    (425, b"", "transient", "too-early", None),
    (499, b"", "transient", "closed-early", None),
    (408, b"", "ambiguous", "server-timeout", None),
    (410, flat("gone", "Live search is deprecated"), "refused", "feature-removed", None),
    (413, HTML, "refused", "request-too-large", None),
    (415, b"", "account", "wrong-content-type", "setting"),
    (
        415,
        flat("invalid-argument", "Unsupported type of image: image/tiff"),
        "value_refused",
        "reference-refused",
        None,
    ),
    (404, flat("not-found", "This API does not support the model."), "model_refused", "model-gone", None),
    (404, flat("not-found", "You have no access to this model."), "model_refused", "model-gone", None),
    (400, b'{"message":"Unknown tool: search"}', "value_refused", "reference-refused", None),
    (403, b'{"message":"Forbidden"}', "value_refused", "not-allowed", None),
    (422, flat("invalid", "messages: invalid type"), "refused", "bad-field", None),
    (422, b'{"detail":[{"loc":["body"],"msg":"field required"}]}', "refused", "bad-field", None),
    (403, b"Your spending limit is reached", "account", "credits-gone", "credits"),
    (
        403,
        b"<html><p>Content violates usage guidelines.</p></html>",
        "refused_for_now",
        "firewall-page",
        None,
    ),
    (429, HTML, "refused_for_now", "rate-limited", None),
    (
        429,
        nested("rate_limit_exceeded", "Requests per Second (actual/limit): 3/2"),
        "refused_for_now",
        "rate-limited",
        None,
    ),
    (429, nested("insufficient_quota", "You have insufficient funds"), "account", "credits-gone", "credits"),
    (404, HTML, "account", "not-found", "setting"),
    (522, HTML, "ambiguous", "server-timeout", None),
    (418, b"", "refused", "refused", None),
    (500, flat("internal", "Internal error"), "ambiguous", "server-error", None),
    (502, HTML, "ambiguous", "server-error", None),
    (504, HTML, "ambiguous", "server-timeout", None),
    (520, HTML, "ambiguous", "server-error", None),
    (524, HTML, "ambiguous", "server-timeout", None),
    (503, b"upstream connect error", "refused_for_now", "unavailable", None),
    (503, CAPACITY, "refused_for_now", "at-capacity", None),
    *((status, HTML, "not_sent", "origin-unreachable", None) for status in (521, 523, 525, 526, 530)),
    (529, flat("overloaded", "Overloaded"), "ambiguous", "overloaded", None),
    (100, b"", "ambiguous", "odd-status", None),
    (999, b"", "ambiguous", "odd-status", None),
]

FETCHES = [
    (200, HTML, "ready", "ready", None),
    (201, b'{"choices":[{"message":{"content":"4"}}]}', "ready", "ready", None),
    (202, b'{"choices":[{"message":{"content":"4"}}]}', "ready", "ready", None),
    (202, b"{}", "not_ready", "not-ready", None),
    (202, HTML, "ready", "ready", None),
    (202, b"", "not_ready", "not-ready", None),
    (204, b"", "ready", "ready", None),
    (307, b"", "later", "redirected", None),
    (404, flat("not-found", "No such deferred completion"), "gone", "result-gone", None),
    (404, NO_MODEL, "foreign", "unknown-reply", None),
    (410, b"", "foreign", "unknown-reply", None),
    (400, flat("invalid-argument", "Invalid request id"), "gone", "invalid-id", None),
    (400, WRONG_KEY, "account", "key-refused", "key"),
    (401, b"", "account", "key-refused", "key"),
    (402, b"", "account", "credits-gone", "credits"),
    (403, PERMISSION, "account", "no-permission", "key"),
    (403, BLOCKED, "account", "team-blocked", "key"),
    (403, CREDITS, "account", "credits-gone", "credits"),
    (403, SAFETY, "generation_failed", "safety", None),
    (422, SAFETY, "generation_failed", "safety", None),
    (429, RATE, "later", "rate-limited", None),
    (429, RATE_AND_ADVICE, "later", "rate-limited", None),
    (429, CAPACITY, "later", "at-capacity", None),
    (429, CREDITS, "account", "credits-gone", "credits"),
    (500, flat("internal", "The deferred generation failed: out of memory"), "generation_failed", None, None),
    (424, flat("aborted", "The completion has failed"), "generation_failed", "generation-failed", None),
    (500, flat("internal", "Internal error"), "later", "server-error", None),
    (502, HTML, "later", "server-error", None),
    (503, b"", "later", "unavailable", None),
    (504, b"", "later", "server-timeout", None),
    (408, b"", "later", "server-timeout", None),
    (405, b"", "account", "wrong-method", "setting"),
    (404, b"404 page not found", "account", "not-found", "setting"),
    (404, NO_PATH, "foreign", "unknown-reply", None),  # of a wrong path, or of an answer that is gone
    (403, HTML, "later", "firewall-page", None),
    (403, b"error code: 1020", "later", "firewall-page", None),
    (403, b"", "later", "firewall-page", None),
    (407, b"", "later", "firewall-page", None),
    (401, HTML, "later", "firewall-page", None),
    (402, HTML, "later", "firewall-page", None),
    (511, b"", "later", "firewall-page", None),
    (409, b"", "later", "odd-status", None),
    (400, BLOCKED, "account", "team-blocked", "key"),
    (429, b"", "later", "rate-limited", None),
    (422, b"", "foreign", "unknown-reply", None),
    (404, HTML, "later", "firewall-page", None),
    (404, b"", "foreign", "unknown-reply", None),
    (522, HTML, "later", "server-timeout", None),
    (520, HTML, "later", "server-error", None),
    *((status, HTML, "later", "origin-unreachable", None) for status in (521, 523, 525, 526, 530)),
    (529, b"", "later", "overloaded", None),
    (99, b"", "later", "odd-status", None),
]


@pytest.mark.parametrize(("status", "body", "outcome", "code", "pauses"), SUBMITS)
def test_a_reply_to_a_submit_has_its_meaning(
    status: int, body: bytes, outcome: str, code: str, pauses: str | None
) -> None:
    """By status and error text, as recorded."""
    found = classify_submit(Reply(status=status, headers={}, body=body), now_s=NOW_S, secrets=())
    assert (found.outcome, found.code, found.reason) == (outcome, code, pauses)


@pytest.mark.parametrize(("status", "body", "outcome", "code", "pauses"), FETCHES)
def test_a_reply_to_a_fetch_has_its_meaning(
    status: int, body: bytes, outcome: str, code: str | None, pauses: str | None
) -> None:
    """A fetch is repeated unless the answer is clearly lost."""
    found = classify_fetch(Reply(status=status, headers={}, body=body), now_s=NOW_S, secrets=())
    assert (found.outcome, found.code, found.reason) == (outcome, code or "generation-failed", pauses)


def test_the_request_id_comes_back_as_the_api_wrote_it() -> None:
    """It is the only way to fetch a paid answer."""
    reply = Reply(status=200, headers={}, body=b'{"request_id":"a/b \\u00e9"}')
    assert classify_submit(reply, now_s=NOW_S, secrets=()).request_id == "a/b é"


@given(st.binary(max_size=200))
def test_the_body_of_a_ready_answer_is_not_read(body: bytes) -> None:
    """It is stored first; a body with an `error` is ready too."""
    found = classify_fetch(
        Reply(status=200, headers={"retry-after": "5"}, body=body), now_s=NOW_S, secrets=()
    )
    assert found == Classification(outcome=Outcome.READY, code="ready")


@pytest.mark.parametrize(
    ("fault", "submit", "fetch"),
    [
        (Fault.NOT_SENT, ("not_sent", "connect-failed"), ("later", "connect-failed")),
        (Fault.UNKNOWN, ("ambiguous", "no-reply"), ("later", "no-reply")),
        (Fault.CUT, ("ambiguous", "reply-cut"), ("later", "reply-cut")),
        (Fault.TOO_LARGE, ("ambiguous", "reply-too-large"), ("gone", "reply-too-large")),
    ],
)
def test_the_lack_of_a_reply_has_its_meaning(
    fault: Fault, submit: tuple[str, str], fetch: tuple[str, str]
) -> None:
    """Only a failed connection proves that nothing was sent."""
    submitted, fetched = (
        classify(fault, "it\nbroke", secrets=()) for classify in (classify_submit_fault, classify_fetch_fault)
    )
    assert (submitted.outcome, submitted.code) == submit
    assert (fetched.outcome, fetched.code) == fetch
    assert submitted.message == fetched.message == "it broke"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ERRORS = st.fixed_dictionaries(
    {}, optional={"code": JSON, "error": JSON, "message": JSON, "request_id": JSON}
)
BODIES = st.binary(max_size=300) | ERRORS.map(lambda value: json.dumps(value).encode("utf-8", "replace"))
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "x-request-id"]), st.text(max_size=40))


@given(st.integers(-1, 1000), HEADERS, BODIES)
def test_any_reply_has_a_whole_verdict(status: int, headers: dict[str, str], body: bytes) -> None:
    """Nothing raises; a pause has its reason, an accepted job its request_id, a message one short line."""
    reply = Reply(status=status, headers=headers, body=body)
    submit = classify_submit(reply, now_s=NOW_S, secrets=())
    fetch = classify_fetch(reply, now_s=NOW_S, secrets=())
    assert submit.outcome in {
        *(
            "accepted",
            "answered",
            "not_sent",
            "refused_for_now",
            "transient",
            "refused",
            "model_refused",
            "value_refused",
        ),
        *("account", "ambiguous"),
    }
    assert fetch.outcome in {"ready", "not_ready", "later", "gone", "foreign", "generation_failed", "account"}
    for found in (submit, fetch):
        assert (found.reason is not None) == (found.outcome is Outcome.ACCOUNT)
        assert (found.request_id is not None) == (found.outcome is Outcome.ACCEPTED)
        assert found.retry_after_s is None or 0 <= found.retry_after_s <= 120
        assert len(found.message) <= 500
        assert found.message.isprintable() or "\u200d" in found.message or "\u200c" in found.message


@given(st.integers(100, 599).filter(lambda status: not 200 <= status < 300), BODIES)
def test_only_a_2xx_is_accepted_or_ready(status: int, body: bytes) -> None:
    """No other reply is taken for a request_id or an answer."""
    reply = Reply(status=status, headers={}, body=body)
    assert classify_submit(reply, now_s=NOW_S, secrets=()).outcome is not Outcome.ACCEPTED
    assert classify_fetch(reply, now_s=NOW_S, secrets=()).outcome is not Outcome.READY


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            WRONG_KEY,
            "Incorrect API key provided: xa***xx. You can obtain an API key from https://console.x.ai.",
        ),
        (nested("c", "in the middle"), "in the middle"),
        (b'{"detail":"a detail"}', "a detail"),
        (b'{"code":"only-a-code"}', "only-a-code"),
        (b'"a JSON string"', '"a JSON string"'),
        (b"plain\x1b[1m text\n", r"plain\x1b[1m text"),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        (HTML, f"{explain('firewall-page')} (HTTP 400: 502 Bad Gateway cloudflare)"),
        (b"", explain("bad-request")),
        (b"  <!-- --> ", explain("bad-request")),
        (b"x" * 3_000_000, "x" * 499 + "…"),
    ],
    ids=range(11),
)
def test_the_message_is_the_one_of_the_api(body: bytes, message: str) -> None:
    """It is found in every form of an error body."""
    assert (
        classify_submit(Reply(status=400, headers={}, body=body), now_s=NOW_S, secrets=()).message == message
    )


def test_a_key_repeated_by_the_api_is_not_in_the_message() -> None:
    """Neither our key, in any form, nor anything like an xAI key."""
    body = flat("bad", "Incorrect API key provided: sk-very-own and xai-0123456789abcdef")
    reply = Reply(status=400, headers={}, body=body)
    assert classify_submit(reply, now_s=NOW_S, secrets=["sk-very-own"]).message == (
        "Incorrect API key provided: *** and ***"
    )
    assert classify_fetch(reply, now_s=NOW_S, secrets=["sk-very-own"]).message.count("***") == 2
    assert classify_fetch_fault(Fault.UNKNOWN, "sk-very-own", secrets=["sk-very-own"]).message == "***"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("86400", 120.0),
        (formatdate(NOW_S + 30, usegmt=True), 30.0),
        (formatdate(NOW_S + 9_000, usegmt=True), 120.0),
        (formatdate(NOW_S + 60).replace("-0000", "+0100"), None),
        (formatdate(NOW_S + 20), 20.0),  # "-0000": no zone given, so UTC
        (formatdate(NOW_S - 5, usegmt=True), None),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("1e9", None),
        ("٣", None),  # a digit, but no ASCII one
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    """At most 120 s; invalid, past and negative values are ignored."""
    assert retry_after_s(value, now_s=NOW_S) == seconds


def test_a_pending_answer_may_name_a_time() -> None:
    """Retry-After counts for a 202 as for any other reply."""
    found = classify_fetch(Reply(status=202, headers={"retry-after": "9"}, body=b""), now_s=NOW_S, secrets=())
    assert (found.outcome, found.retry_after_s) == (Outcome.NOT_READY, 9.0)


def test_every_row_of_the_tables_is_reached() -> None:
    """A row that no reply here matches would be untested."""
    for table, cases in ((reply_table.SUBMIT, SUBMITS), (reply_table.FETCH, FETCHES)):
        reached = {
            next(row for row in table if row.matches(status, error_body.error_text(body)))
            for status, body, *_ in cases
        }
        assert [row for row in table if row not in reached] == []


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "text/plain; charset=latin-1", ""])
def test_the_content_type_changes_nothing(content_type: str) -> None:
    """Proxies send wrong types, so only the body counts."""
    headers = {"content-type": content_type}
    accepted = Reply(status=200, headers=headers, body=b'{"request_id":"%s"}' % ID.encode())
    assert classify_submit(accepted, now_s=NOW_S, secrets=()).request_id == ID
    assert (
        classify_fetch(Reply(status=200, headers=headers, body=b"{"), now_s=NOW_S, secrets=()).outcome
        is Outcome.READY
    )
    safety = Reply(status=403, headers=headers, body=SAFETY)
    assert classify_submit(safety, now_s=NOW_S, secrets=()).code == "safety"


@pytest.mark.parametrize(
    ("status", "body", "outcome", "code"),
    [
        (503, b"", "refused", "told-not-to-retry"),
        (429, CAPACITY, "refused", "told-not-to-retry"),
        (500, b"", "ambiguous", "told-not-to-retry"),
        (429, RATE, "refused_for_now", "rate-limited"),
        (429, CREDITS, "account", "credits-gone"),
        (409, b"", "refused", "told-not-to-retry"),
        (403, HTML, "refused_for_now", "firewall-page"),
        (302, b"", "refused_for_now", "redirected"),
        (422, b"", "refused", "bad-field"),
    ],
)
def test_a_reply_may_forbid_a_retry(status: int, body: bytes, outcome: str, code: str) -> None:
    """`x-should-retry: false` counts as in xAI's own client, but not for a rate limit, which passes."""
    forbidden = Reply(status=status, headers={"x-should-retry": " False"}, body=body)
    found = classify_submit(forbidden, now_s=NOW_S, secrets=())
    assert (found.outcome, found.code) == (outcome, code)
    allowed = Reply(status=status, headers={"x-should-retry": "true"}, body=body)
    assert classify_submit(allowed, now_s=NOW_S, secrets=()).code != "told-not-to-retry"
    if status not in (422, 302):
        assert classify_fetch(forbidden, now_s=NOW_S, secrets=()) == classify_fetch(
            allowed, now_s=NOW_S, secrets=()
        )


def test_pause_reasons_are_those_of_the_states() -> None:
    """A run is paused for exactly these reasons by a reply."""
    reasons = {pauses for *_, pauses in (*SUBMITS, *FETCHES) if pauses}
    assert reasons == {PauseReason.KEY, PauseReason.CREDITS, PauseReason.SETTING}


HOSTILE = [
    # what one line's own content can make the API say: no account is at fault, and no other model
    (400, "Image could not be fetched by the model: URL not found", "reference-refused"),
    (400, "The model could not fetch the image: 404 not found", "reference-refused"),
    (400, "Invalid value for tools[0].function.name: the model no longer supported", "bad-request"),
    (400, 'Unknown role "The model grok-9 does not exist"', "bad-request"),
    (400, "Argument not supported on this model: presencePenalty", "bad-request"),
    (400, "tools.0.function.parameters.api_key: missing property", "bad-request"),
    (400, "Invalid schema: property api_key is unknown", "bad-request"),
    (400, "Missing required parameter: tools[0].mcp.api_key", "bad-request"),
    (400, "Invalid API key for MCP server https://tools.example/mcp", "reference-refused"),
    (400, "Failed to download https://x.example/a.png: 401 unauthenticated", "reference-refused"),
    (400, "The API key of the tool search is invalid", "reference-refused"),
    (400, "Unknown message: 'Incorrect API key provided: xai-1'", "bad-request"),
    (400, "Invalid enum value account: blocked", "bad-request"),
    (400, "Schema of tool freeze: the account of a customer is disabled", "bad-request"),
    (400, "Invalid image: you have used all available credits", "reference-refused"),
    (422, "messages[0]: unknown variant `your team is blocked`", "bad-field"),
    (422, "Invalid API key", "bad-field"),
    (403, "Access to the image 'out of credits.png' is refused", "not-allowed"),
    (403, "The file https://x.example/your-team/spending-limit is not yours", "not-allowed"),
    (404, "The document `model does not exist` was not found", "reference-gone"),
    (404, "No such file: your model not found.txt", "reference-gone"),
    (415, "Unsupported image: https://x.example/model", "reference-refused"),
    (429, "Too many requests. The prompt 'all available credits' was not read.", "rate-limited"),
]


@pytest.mark.parametrize(("status", "sentence", "code"), HOSTILE)
@pytest.mark.parametrize("form", [flat, nested])
def test_a_line_cannot_make_its_words_the_accounts(
    form: Callable[[str, str], bytes], status: int, sentence: str, code: str
) -> None:
    """What the API echoes of a request decides over that job at most."""
    found = classify_submit(
        Reply(status=status, headers={}, body=form("invalid", sentence)), now_s=NOW_S, secrets=()
    )
    assert (found.code, found.reason) == (code, None)
    assert found.outcome in (Outcome.REFUSED, Outcome.VALUE_REFUSED, Outcome.REFUSED_FOR_NOW)
    fetched = classify_fetch(
        Reply(status=status, headers={}, body=form("invalid", sentence)), now_s=NOW_S, secrets=()
    )
    assert fetched.reason is None or status == 403  # a fetch names no file or tool


KEYS = [
    "API key expired",
    "API key not valid. Please pass a valid API key.",
    "Incorrect API key provided: xa***xx.",
    "The API key you provided is invalid.",
    "Your API key has expired",
    "Your API key was revoked.",
    "API key not found",
    "Missing API key",
    "No API key was provided",
    "Invalid x-api-key",
    "Unknown API key.",
    "You didn't provide an API key.",
    "Missing Authorization header",
    "Invalid authentication credentials",
    "Authentication failed",
    "Unauthorized",
]
MODELS = [
    "No such model: grok-9",
    "Unknown model: grok-9",
    "model_not_found",
    "Model not found: grok-9",
    "The model `grok-9` does not exist",
    "The requested model is not available",
    "This endpoint does not support this model",
    "Unsupported model",
    "Model grok-9 is not supported",
    "The model grok-2-image has been removed",
    "Invalid model: grok-9",
]
VALUES = [
    "Image could not be fetched",
    "Failed to fetch image from https://x.example/a.png",
    "The image is too large: 30 MiB",
    "Unsupported image format: tiff",
    "Unable to download the file https://x.example/a.pdf",
    "The base64 string cannot be decoded",
    "No such file: file-7",
    "File exceeds the limit of 20 MiB",
    "Unknown tool: search",
    "The tool `search` was not found",
    "MCP server not found",
    "Could not connect to the MCP server: refused",
    "Error while downloading https://x.example/a.png",
    "The collection c-1 does not exist",
    "Document has expired",
    "Corrupt image",
]
NOT_ALLOWED = [
    "You do not have permission to use this tool",
    "You do not have permission to use this image",
    "Access denied to file file-7",
    "Permission denied",
    "Forbidden",
    "This operation is not allowed",
    "Your team may not use the tool `code`",
    "Region not supported",
]
ACCOUNTS = [
    "Team is not authorized to perform this action.",
    "Your team does not have access to this endpoint.",
    "Your API key lacks the permission chat:write.",
    "This account is not enabled.",
    "The organization acme may not use the API: it is not permitted.",
]


@pytest.mark.parametrize(
    ("statuses", "sentence", "outcome", "reason"),
    [
        *(((400, 401, 403), text, Outcome.ACCOUNT, PauseReason.KEY) for text in KEYS),
        *(((400, 404, 422), text, Outcome.MODEL_REFUSED, None) for text in MODELS),
        *(((400, 404, 422), text, Outcome.VALUE_REFUSED, None) for text in VALUES),
        *(((403,), text, Outcome.VALUE_REFUSED, None) for text in NOT_ALLOWED),
        *(((403,), text, Outcome.ACCOUNT, PauseReason.KEY) for text in ACCOUNTS),
    ],
)
def test_sentences_of_one_kind_have_one_meaning(
    statuses: tuple[int, ...], sentence: str, outcome: Outcome, reason: PauseReason | None
) -> None:
    """In other words too: a key stops the run, a model or a value of one line holds that job."""
    for status, form in product(statuses, (flat, nested)):
        reply = Reply(status=status, headers={}, body=form("invalid", sentence))
        found = classify_submit(reply, now_s=NOW_S, secrets=())
        assert (status, form, found.outcome, found.reason) == (status, form, outcome, reason)


ELSEWHERE = [
    b"",
    b"404 page not found",
    b'{"detail":"Not Found"}',
    b'{"message":"no Route matched with those values"}',
    b'{"error":"/v1/chat/deferred-completion/5f2f was not found"}',
    b'{"error":"The file was not found"}',
    b'{"error":"Not found"}',
    b'{"error":"Bad Request"}',
    b"null",
    HTML,
]
GONE = [
    "No deferred completion found for request id 5f2f.",
    "No such deferred completion",
    "Deferred completion not found",
    "The request id 5f2f does not exist",
    "The result was already fetched",
    "This result has expired",
    "Unknown request_id",
    "Completion 5f2f is no longer available",
]


@pytest.mark.parametrize("status", [400, 404, 410, 422])
@pytest.mark.parametrize("body", ELSEWHERE)
def test_only_the_apis_own_words_mean_that_an_answer_is_gone(status: int, body: bytes) -> None:
    """Another server's 404 loses nothing: the answer is paid for."""
    found = classify_fetch(Reply(status=status, headers={}, body=body), now_s=NOW_S, secrets=())
    assert found.outcome in (Outcome.FOREIGN, Outcome.LATER, Outcome.ACCOUNT)
    assert found.reason in (None, PauseReason.SETTING)


@pytest.mark.parametrize("form", [flat, nested])
@pytest.mark.parametrize("sentence", GONE)
def test_an_answer_is_gone_in_other_words_too(sentence: str, form: Callable[[str, str], bytes]) -> None:
    """A small change of the API's sentence changes nothing."""
    reply = Reply(status=404, headers={}, body=form("not-found", sentence))
    assert classify_fetch(reply, now_s=NOW_S, secrets=()).outcome is Outcome.GONE


@given(st.text(max_size=60), st.sampled_from([400, 404, 409, 410, 413, 415, 422, 425]))
def test_no_quoted_text_pauses_a_run(text: str, status: int) -> None:
    """Whatever stands in quotation marks may come from the request."""
    quoted = json.dumps(text.replace('"', "").replace("\n", " "))
    for sentence in (f"Invalid value {quoted} of a field.", f"{quoted} is no known image"):
        found = classify_submit(
            Reply(status=status, headers={}, body=flat("invalid", sentence)), now_s=NOW_S, secrets=()
        )
        assert found.reason in (None, PauseReason.SETTING)
        assert found.outcome is not Outcome.MODEL_REFUSED


def test_only_a_503_may_have_cost_something_without_being_an_unknown_outcome() -> None:
    """xAI's own client does not repeat a submit after it: it may hide an answer that was paid for."""
    found = {
        status: classify_submit(Reply(status=status, headers={}, body=b""), now_s=NOW_S, secrets=()).may_cost
        for status in range(100, 600)
    }
    assert [status for status, may_cost in found.items() if may_cost] == [503]


@pytest.mark.parametrize("status", [404, 405, 302, 521])
def test_a_fault_of_the_address_is_said_in_our_words_first(status: int) -> None:
    """The words of another server explain nothing."""
    found = classify_submit(Reply(status=status, headers={}, body=HTML), now_s=NOW_S, secrets=())
    assert found.message == f"{explain(found.code)} (HTTP {status}: 502 Bad Gateway cloudflare)"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"code":"internal","error":"Internal error."}', True),
        (b'{"code":"internal","error":{"message":"x"}}', False),
        (b'{"code":500,"error":"x"}', False),
        (b'{"error":"x"}', False),
        (b'["code","error"]', False),
        (b"<html>", False),
    ],
)
def test_the_form_of_the_apis_own_errors(body: bytes, expected: bool) -> None:
    """Code and error, both texts; gateways have other forms."""
    assert error_body.has_api_form(body) is expected


def test_advice_without_a_fix_ends_with_the_problem() -> None:
    """No dangling semicolon."""
    assert str(Advice("the disk is full", "free some space")) == "the disk is full; free some space"
    assert str(Advice("the disk is full")) == "the disk is full"
