"""What the API's error sentences say, as patterns for the reply tables.

They are matched against `ErrorText.words`: lower case, code and message a line each, and an ellipsis for what
the message quotes. A pattern of the account matches only where the API's own sentence begins, since one
line's own content (names of tools, addresses of images, parts of schemas) may stand anywhere in it.
"""

from __future__ import annotations

import re
from typing import Final

_SENTENCE: Final = r"(?m)(?:^|[.!?] )"
_LINE: Final = r"(?m)^(?:error: )?"
_OWNER: Final = r"(?:(?:your|the|this) )?(?:\w+ ){0,3}?(?:team|account|organization|key)"
_BAD: Final = (
    r"(?:incorrect|invalid|wrong|missing|blocked|disabled|revoked|expired|unknown|malformed|deactivated"
    r"|not valid|not found|not active)"
)
_ANY_KEY: Final = r"(?:x-|xai )?api[ _-]?key"
_OWN_KEY: Final = rf"(?:the |your |this )?(?:provided )?{_ANY_KEY}"

RATE: Final = re.compile(r"(requests|tokens) per (second|minute|hour|day)")
CAPACITY: Final = re.compile(r"at capacity|overloaded|high demand")
SAFETY: Final = re.compile(r"usage guidelines|safety_check|failed check|content (violates|policy)")
FAILED: Final = re.compile(r"\b(generation|completion)\b( has| was)? (failed|aborted)|failed to generate")

# of the account
CREDITS: Final = re.compile(
    rf"{_SENTENCE}(?:(?:your|you|{_OWNER})\b[^.\n]{{0,160}}?)?\b(?:"
    r"(?:all|any|available|out of|no|not enough|insufficient|more|remaining)\b[^.\n]{0,40}\bcredits?\b"
    r"|credits?\b[^.\n]{0,30}\b(?:exhausted|depleted|used up|expired)"
    r"|spending[ -]limit|insufficient[ _](?:funds|balance|quota)|payment[ _]required)"
)
KEY: Final = re.compile(
    rf"{_LINE}(?:(?:no|{_BAD})[ _]{_ANY_KEY}"
    r"(?:$|[.:,;!]| provided| (?:was|is) (?:provided|given)| in (?:the )?(?:request|header))"
    rf"|{_OWN_KEY} (?:you (?:have )?provided )?{_BAD}"
    rf"|{_OWN_KEY} (?:you (?:have )?provided |provided |\S{{1,80}} )?"
    rf"(?:is|was|has been|has) (?:\w+ ){{0,2}}?{_BAD}"
    rf"|you (?:did not|didn't|have not|must) provide an? {_ANY_KEY}"
    r"|(?:no|missing|invalid|malformed) (?:bearer|authorization|authentication)\b"
    r"|authentication (?:failed|error|required|is required)"
    r"|unauthenticated\b|unauthorized(?:$|[.:!])|no authentication\b)"
)
BLOCKED: Final = re.compile(
    rf"{_LINE}(?:your |the |this )(?:team|account|organization)\b(?: \S{{1,80}})?"
    r" (?:is|was|has been) (?:\w+ ){0,2}?(?:blocked|suspended|disabled)\b"
)
NO_PERMISSION: Final = re.compile(
    rf"{_LINE}{_OWNER}\b(?: \S{{1,80}})?"
    r" (?:is not|isn't|may not|cannot|can't|does not|doesn't|has no|lacks)\b"
    r"[^\n]{0,80}\b(?:authorized|allowed|permitted|permissions?|access|enabled|active|perform)\b"
)

# of a line's model
MODEL: Final = re.compile(r"(?<![/\w.-])models?\b(?![/-])")
_THE_MODEL: Final = r"(?:the |this |that |requested |specified )*model"
MODEL_GONE: Final = re.compile(
    rf"{_LINE}(?:model[_ -]not[_ -](?:found|supported|available)\b"
    r"|(?:no such|unknown|invalid|unsupported|unrecognized) model(?:$|[ :.,])"
    rf"|{_THE_MODEL}:? (?:\S{{1,200}} )?(?:does not exist|(?:is |was )?not found"
    r"|is not (?:a valid|valid|known|recognized|available|supported|served|enabled)"
    r"|is (?:unknown|invalid|unsupported)"
    r"|(?:is |has been |was )(?:no longer|retired|deprecated|removed))"
    rf"|[^\n]{{0,80}}\b(?:does not|doesn't|cannot|can't) (?:support|serve|offer|find)"
    rf" {_THE_MODEL}(?:$|[ :.,]))"
)

# of an image, a file or a tool that a line names
_THING: Final = (
    r"(?<![/\w.-])(?:image|picture|file|document|pdf|audio|video|media|attachment|collection|vector store"
    r"|assistant|tool|url|(?:mcp|tool|remote) server|web search|x search)s?\b(?![\[_-]|\.\w)"
)
_FAULTY: Final = (
    r"\b(?:not found|not exist|no longer|expired|deleted|(?:could not|couldn't|cannot|can't) be"
    r"|too (?:large|big|small|long|many)|exceeds?|larger than|unsupported|not supported|unknown"
    r"|not (?:accessible|available|reachable|readable)|unreachable|inaccessible|corrupt\w*|timed out"
    r"|invalid(?=$|[.:;,]))"
)
_FAILED_TO: Final = r"\b(?:failed to|failure to|unable to|could not|couldn't|cannot|can't|error) (?:while )?"
_FETCH: Final = r"(?:fetch|download|retrie\w*|load|access|reach|connect|open|resolv|read)\w*"
REFERENCE: Final = re.compile(
    rf"{_THING}[^\n]{{0,160}}?{_FAULTY}"
    rf"|\b(?:no such|unknown|unsupported|invalid|corrupt\w*|missing)\b[^\n]{{0,40}}?{_THING}"
    rf"|\bno (?!tools?\b){_THING}"
    rf"|{_FAILED_TO}{_FETCH}\b[^\n]{{0,60}}?(?:{_THING}|…)"
    rf"|{_FAILED_TO}(?:decod|process|pars)\w*[^\n]{{0,60}}?{_THING}"
    r"|\bbase64\b[^\n]{0,80}\b(?:decoded?|invalid)"
    r"|\b(?:mcp|tool|remote) server\b"
)
THING: Final = re.compile(_THING)

# of a fetch
_RESULT: Final = (
    r"(?<![/\w-])(?:deferred[ _-]completion|deferred (?:request|result|job)|(?:chat )?completion"
    r"|request[ _-]?id|result)s?\b(?![/-])"
)
RESULT_GONE: Final = re.compile(
    rf"{_RESULT}[^\n]{{0,160}}\b(?:not found|not exist|no longer|expired|already|gone|deleted|discarded"
    r"|consumed|unknown)\b"
    rf"|\b(?:no(?: such)?|unknown|expired|not find|(?:fetched|retrieved|consumed) the)\b"
    rf"[^\n]{{0,60}}?{_RESULT}"
)
_ID: Final = r"(?<![/\w-])(?:request[ _-]?id|uuid)\b"
_MALFORMED: Final = r"\b(?:invalid|malformed|not (?:a )?valid|cannot be parsed|failed to parse|must be)\b"
INVALID_ID: Final = re.compile(rf"{_MALFORMED}[^\n:;.]{{0,40}}{_ID}|{_ID}[^\n:;.]{{0,60}}{_MALFORMED}")
NO_ENDPOINT: Final = re.compile(
    r"no (?:such )?(?:endpoint|route|page)\b|page not found|cannot (?:get|post)\b|unknown (?:path|url|route)"
)
