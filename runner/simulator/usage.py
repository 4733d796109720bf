"""Token counts and costs: the tokens of a text, and the price of a request in ticks.

A token is four bytes of UTF-8, about right for English. As with the real API, a prompt carries a hidden
overhead that is nearly always cached, and reasoning tokens are not part of completion_tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from runner.simulator.models import Model

TOKEN_BYTES = 4
OVERHEAD_TOKENS = 680
OVERHEAD_CACHED = 679
MESSAGE_TOKENS = 3


class Usage(NamedTuple):
    """Tokens of one request and their cost in ticks. The prompt is text + image; cached is part of it."""

    text: int
    image: int
    cached: int
    completion: int
    reasoning: int
    ticks: int

    @property
    def prompt(self) -> int:
        """Return the prompt tokens."""
        return self.text + self.image

    @property
    def total(self) -> int:
        """Return the sum of prompt, completion and reasoning tokens."""
        return self.text + self.image + self.completion + self.reasoning


def price_usage(
    model: Model, *, text: int, image: int, cached: int, completion: int, reasoning: int
) -> Usage:
    """Return the usage with its cost. If the prompt reaches `long_from`, all tokens have the long price."""
    price = model.long_price if text + image >= model.long_from else model.price
    fresh = text + image - cached
    ticks = fresh * price.fresh + cached * price.cached + (completion + reasoning) * price.output
    return Usage(
        text=text, image=image, cached=cached, completion=completion, reasoning=reasoning, ticks=ticks
    )


def count_tokens(text: str) -> int:
    """Return the number of tokens of a text."""
    size = len(text) if text.isascii() else len(text.encode())
    return (size + TOKEN_BYTES - 1) // TOKEN_BYTES


def split_tokens(text: str) -> list[bytes]:
    """Return the tokens of a text as UTF-8 bytes; one may end within a character."""
    data = text.encode()
    return [data[at : at + TOKEN_BYTES] for at in range(0, len(data), TOKEN_BYTES)]
