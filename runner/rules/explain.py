"""What each of our codes means and what to do, in one sentence.

Codes come from the reply tables, from missing replies, from parsed answers and from the engine. A test fails
for a code without a sentence.
"""

from __future__ import annotations

from typing import Final

HELD_PREFIX: Final = "held-"  # prefix of a held job's code in the errors file

SENTENCES: Final = {
    # of an accepted submit and a successful fetch
    "accepted": "The API took the request; its answer is fetched later.",
    "ready": "The answer was handed out.",
    "not-ready": "The answer is not generated yet; it is asked for again.",
    # a problem of the account: the run pauses, no job fails
    "key-refused": "The API refuses the key: set XAI_API_KEY to a valid one, then resume the run.",
    "team-blocked": "The team of this key is blocked: ask support@x.ai, then resume the run.",
    "no-permission": "The key may not do this: allow it the model at console.x.ai, then resume the run.",
    "credits-gone": "Credits or spending limit are used up: add some at console.x.ai, then resume the run.",
    # a refused model: its jobs are held, or the run pauses where all of its jobs name refused models
    "model-gone": "The API does not serve this model: runner retry RUN --set-model NAME sends another one.",
    "model-not-allowed": "The key may not use this model: allow it, or runner retry RUN --set-model NAME.",
    # a problem of the address or the network: no job fails
    "not-found": "There is no API at this address: XAI_BASE_URL should be like https://api.x.ai/v1.",
    "wrong-method": "This address takes no such request: XAI_BASE_URL should be like https://api.x.ai/v1.",
    "wrong-content-type": "The API saw no JSON body: a proxy changes requests, or XAI_BASE_URL is wrong.",
    "firewall-page": "A firewall or login page answered instead of the API: nothing was spent.",
    "redirected": "The API answered with a redirect, which the key never follows: check XAI_BASE_URL.",
    "origin-unreachable": "A proxy did not reach the API: nothing was spent, the job goes again by itself.",
    "not-deferred": "A gateway answered instead of deferring: the answer is kept; check XAI_BASE_URL.",
    # a problem of the job itself
    "safety": "The safety check refused this prompt, and xAI may charge a fee for it: change the prompt.",
    "bad-request": "The API does not take a parameter or value of this line: correct it and run it again.",
    "bad-field": "A field of this line is missing or has the wrong type: correct the line and run it again.",
    "reference-gone": "The line names something that the API does not have: correct the line.",
    "reference-refused": "The API cannot use an image, file or tool of this line: correct it, or try later.",
    "not-allowed": "The API forbids something of this line, like a tool or file: change or allow it.",
    "feature-removed": "The line uses a feature that xAI removed, such as search_parameters: take it out.",
    "request-too-large": "The request is larger than the API takes: shorten the prompt or its images.",
    "refused": "The API refused the request with an unusual status: its words tell more.",
    "told-not-to-retry": "The API said not to try again (x-should-retry: false): its words tell why.",
    "unknown-reply": "A fetch got a reply that is not in the API's words: it is asked again for 24 hours.",
    # temporary: the job is sent again by itself
    "rate-limited": "The team's rate limit was reached: the job waits and is sent again by itself.",
    "at-capacity": "The model has no capacity right now: the job waits and is sent again by itself.",
    "unavailable": "The API was not available: the job waits and is sent again by itself.",
    "conflict": "The API reported a conflict (409): the job is sent again, within --max-attempts.",
    "too-early": "The API was asked too early (425): the job is sent again, within --max-attempts.",
    "closed-early": "The API closed the request early (499): the job is sent again, within --max-attempts.",
    # unknown outcome, or no whole reply
    "no-request-id": "The API said yes without a request id: the job may be paid, and nobody can fetch it.",
    "overloaded": "The API was overloaded (529): nobody knows whether it had taken the request.",
    "server-error": "The API failed inside: nobody knows whether it had taken the request.",
    "server-timeout": "The API or a proxy ran out of time: nobody knows whether the request was taken.",
    "odd-status": "The reply has a status that the API does not document: look for a proxy in between.",
    "connect-failed": "No connection to the API: nothing was sent, and the job goes again by itself.",
    "no-reply": "The request was sent and no reply came: nobody knows whether it was taken.",
    "reply-cut": "The reply broke off midway: what it said is unknown.",
    "reply-too-large": "The reply is larger than 64 MiB and was not kept: ask for less output.",
    "process-ended": "A process of runner ended in the middle of this attempt: another took the job over.",
    # of a lost or unusable answer
    "result-gone": "The API no longer has the answer: it was handed out before, or is older than 24 hours.",
    "expired": "The answer was not fetched within 24 hours: runner retry RUN --lost buys it again.",
    "never-ready": "The answer was not ready after 48 hours: runner retry RUN --lost buys it again.",
    "unreadable": "All replies of 24 hours were no answer: runner retry RUN --lost buys it again.",
    "invalid-id": "The API does not know the request id that it gave: the answer cannot be fetched.",
    "generation-failed": "The model failed while it generated the answer: a new attempt may work.",
    "not-json": "The answer is no JSON: its bytes are kept, runner show RUN ID --raw prints them.",
    "no-choices": "The answer holds no choices: its bytes are kept, runner show RUN ID --raw prints them.",
    "error-inside": "The answer holds an error instead of text: its words tell more.",
    "unreadable_result": "Reading the answer failed three times: runner show RUN ID --raw prints its bytes.",
    "unreadable-result": "The answer is no JSON: its bytes are kept, runner show RUN ID --raw prints them.",
    # flaws of a good answer; with --fail-on they fail the job
    "length": "The answer stopped at the token limit: raise max_completion_tokens, or ask for less.",
    "refusal": "The model or its filter declined to answer: change the prompt.",
    "empty": "The answer holds neither text nor a tool call: change the prompt, or try once more.",
    # of an answer that does not fit the labels of its run
    "invalid": "No answer fits the labels, also after asking again: runner show RUN ID says what is wrong.",
    # of an attempt that was recorded and not sent
    "stopping": "The process was ending, so nothing was sent: the job goes with the next one.",
    "paused": "The run was paused, so nothing was sent: it goes on with runner resume RUN.",
    "path-blocked": "Another server answers instead of the API, so nothing was sent: look at the network.",
    "too-late": "The machine was too busy to send in time, so nothing was sent: the job goes again.",
    "slot-passed": "The time reserved under the rate limit had passed, so nothing was sent: it goes again.",
    "spool-failed": "The spool could not be written, so nothing was sent: look for a full disk.",
    "unknown": "The cause is not on record.",
}


def explain(word: str) -> str:
    """Return what a code means and what to do, in one line; "" for an unknown code."""
    return SENTENCES.get(code_of(word), "")


def code_of(word: str) -> str:
    """Return an error code as the database has it; `word` may be that of a held job in the errors file."""
    return word.removeprefix(HELD_PREFIX)
