"""Draws of answers: the random bytes of an answer, and which answer of a file is given."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.simulator.answer_file import AnswerFile
    from runner.simulator.switches import Switches


def random_bytes(seed: bytes, body_sha: bytes, accepted_before: int) -> bytes:
    """Return the 32 random bytes of an answer.

    `accepted_before`: how often the same body was, so that a question asked again gets another draw.
    """
    content = body_sha + accepted_before.to_bytes(8) if accepted_before else body_sha
    return hashlib.blake2b(content, key=seed, digest_size=32).digest()


def draw_texts(
    file: AnswerFile | None, switches: Switches, text: str, random_bytes: bytes, *, count: int
) -> tuple[str, ...]:
    """Return the texts of `count` choices for a user text; none if the file has no answer to it.

    The right answer has the probability that the file says, or the switch `skill`, plus `shift`.
    """
    possible = None if file is None else file.find(text)
    if possible is None:
        return ()
    skill = possible.right_probability if switches.skill is None else switches.skill
    right_probability = min(1.0, max(0.0, skill + switches.shift))
    return tuple(possible.pick(_fraction(random_bytes, index), right_probability) for index in range(count))


def _fraction(random_bytes: bytes, index: int) -> float:
    """Return a number from 0 to 1, without 1; it has nothing to do with other uses of the bytes."""
    digest = hashlib.blake2b(random_bytes, digest_size=6, salt=index.to_bytes(8), person=b"choice").digest()
    return int.from_bytes(digest) / 2**48
