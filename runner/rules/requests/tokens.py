"""Token estimates for texts and images.

The API counts with its own tokenizer and adds a hidden overhead; the limiter settles with the actual number
later, so the estimate must be fast and of the right size, not exact.
"""

from __future__ import annotations

from typing import Final

_ASCII_BYTES_PER_TOKEN: Final = 4
_OTHER_BYTES_PER_TOKEN: Final = 3  # a Chinese character is about one token, a Cyrillic letter two thirds

OUTPUT_TOKENS_GUESS: Final = 500  # of an answer, with reasoning, until the model's answers are learnt
MESSAGE_TOKENS: Final = 4  # role and separators
IMAGE_TOKENS: Final = 1_792  # maximum of one image: (6 tiles of 448 x 448, and one more) x 256


def expected_tokens(prompt_tokens: int, output_tokens_max: int | None) -> int:
    """Return the estimated total tokens of a request, before corrections learnt from the model's answers."""
    return prompt_tokens + min(output_tokens_max or OUTPUT_TOKENS_GUESS, OUTPUT_TOKENS_GUESS)


def text_tokens(text: str) -> int:
    """Return the estimated tokens of a text, rounded up."""
    if text.isascii():
        return -(-len(text) // _ASCII_BYTES_PER_TOKEN)
    ascii_bytes = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode()) - ascii_bytes
    return -(-ascii_bytes // _ASCII_BYTES_PER_TOKEN) - (-other_bytes // _OTHER_BYTES_PER_TOKEN)
