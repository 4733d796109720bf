"""Tokens and money: how many tokens a text has, and what a request costs in ticks.

A token is four bytes of UTF-8, about right for English. As with the real API, a prompt carries a hidden
overhead that is nearly always cached, and reasoning tokens stand outside completion_tokens.
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
    """The tokens of one request and what they cost. `text` and `image` make up the prompt."""

    text: int
    image: int
    cached: int
    completion: int
    reasoning: int
    ticks: int

    @property
    def prompt(self) -> int:
        return self.text + self.image

    @property
    def total(self) -> int:
        return self.text + self.image + self.completion + self.reasoning


def measure(model: Model, *, text: int, image: int, cached: int, completion: int, reasoning: int) -> Usage:
    """Prices the tokens: all of them take the long price once the prompt reaches the model's threshold."""
    price = model.long_price if text + image >= model.long_from else model.price
    fresh = text + image - cached
    ticks = fresh * price.fresh + cached * price.cached + (completion + reasoning) * price.output
    return Usage(
        text=text, image=image, cached=cached, completion=completion, reasoning=reasoning, ticks=ticks
    )


def count_tokens(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode())
    return (size + TOKEN_BYTES - 1) // TOKEN_BYTES


def tokens_of(text: str) -> list[bytes]:
    data = text.encode()
    return [data[at : at + TOKEN_BYTES] for at in range(0, len(data), TOKEN_BYTES)]
