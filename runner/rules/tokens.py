"""How many tokens a text or an image will about be, before anyone has counted them.

The API counts with its own tokenizer and adds a hidden overhead; the limiter settles with the
actual figure later, so the estimate has to be quick and of the right size, not exact.
"""

from __future__ import annotations

from typing import Final

_ASCII_BYTES_PER_TOKEN: Final = 4
_OTHER_BYTES_PER_TOKEN: Final = 3  # a Chinese character is about one token, a Cyrillic letter two thirds

OUTPUT_TOKENS_GUESS: Final = 500  # of an answer, reasoning among it, until a model's answers teach better
MESSAGE_TOKENS: Final = 4  # role and separators
IMAGE_TOKENS: Final = 1_792  # the most an image can be: (6 tiles of 448 x 448, and one) x 256


def expected(prompt_tokens: int, output_tokens_max: int | None) -> int:
    """Guess what a request will use in all, before the model's answers have taught by how much this errs."""
    return prompt_tokens + min(output_tokens_max or OUTPUT_TOKENS_GUESS, OUTPUT_TOKENS_GUESS)


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text, rounded up."""
    if text.isascii():
        return -(-len(text) // _ASCII_BYTES_PER_TOKEN)
    ascii_bytes = len(text.encode("ascii", "ignore"))
    other_bytes = len(text.encode()) - ascii_bytes
    return -(-ascii_bytes // _ASCII_BYTES_PER_TOKEN) - (-other_bytes // _OTHER_BYTES_PER_TOKEN)
