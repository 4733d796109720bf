"""An invalid answer is asked again: the request with the answer, its error, and the wish for a correct one.

The derived body is a function of the stored request, the last invalid answer and its error, so that it is
stored nowhere. Only the last answer is shown: with all of them, the cost of n asks would grow with n squared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.json_text.json_members import json_members
from runner.rules.requests.tokens import MESSAGE_TOKENS, text_tokens

if TYPE_CHECKING:
    from runner.rules.replies.chat_completion import Flaw

ANSWER_CHARACTERS_MAX: Final = 4_000  # of the invalid answer that are shown to the model again


def is_asked_again(flaw: Flaw | None, asks: int, asks_max: int) -> bool:
    """Return whether a job with an invalid answer is asked again; `asks` counts those that were, so far.

    A cut, a refused and an empty answer are failures: an error text does not make them whole, and each would
    be paid again.
    """
    return flaw is None and asks < asks_max


def follow_up(body: bytes, answer: str, error: str) -> bytes:
    """Return the body that asks again: every byte of `body`, with messages added after its last one.

    `body` is the text of a JSON object without duplicate names and with messages, at least one; `answer` is
    the text of the last invalid answer, `error` why it is invalid. Raises ValueError for another body.
    """
    view = memoryview(body)  # a body may have an image: one copy is made
    end = _messages_end(view)
    added = b"".join(b"," + orjson.dumps(message) for message in _messages(answer, error))
    return b"".join((view[:end], added, view[end:]))


def follow_up_tokens(answer: str, error: str) -> int:
    """Return the estimated tokens that asking again adds to the prompt."""
    added = _messages(answer, error)
    return sum(text_tokens(message["content"]) + MESSAGE_TOKENS for message in added)


def _messages(answer: str, error: str) -> list[dict[str, str]]:
    """Return the messages to add; a blank answer has none of its own, since the API refuses empty ones."""
    shown = without_surrogates(answer)
    if len(shown) > ANSWER_CHARACTERS_MAX:
        shown = shown[: ANSWER_CHARACTERS_MAX - 1] + "…"
    wish = (
        f"Your answer does not fit the schema: {without_surrogates(error)}. "
        "Answer again with only the corrected JSON object."
    )
    said = [{"role": "assistant", "content": shown}] if shown.strip() else []
    return [*said, {"role": "user", "content": wish}]


def _messages_end(body: memoryview) -> int:
    """Return the offset of the bracket that closes the messages. Raises ValueError if there is none."""
    for member in json_members(body):
        if member.name == "messages" and body[member.end - 1] == ord("]"):
            return member.end - 1
    raise ValueError("the body has no list of messages")
