"""The file of `--answers`: which answers a question gets, and how often.

A line for each question: {"text": "How much is 2 + 3?", "answers": {"5": 0.8, "6": 0.2}}. The first answer is
the right one. "answers": "5" is an answer that is always given.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

KEYS: Final = {"text", "answers"}
SUM_TOLERANCE: Final = 1e-6  # of probabilities that were written as rounded decimals
SEARCHES_CACHED_MAX: Final = 4096


class AnswerFileError(ValueError):
    """A line that cannot be used; the text names file and line."""


class PossibleAnswers:
    """The answers that one question may get, with their probabilities; the first is the right one."""

    def __init__(self, answers: Mapping[str, float]) -> None:
        self.right, *self._wrong = answers
        self.right_probability, *wrong = answers.values()
        if not sum(wrong):
            wrong = [1.0] * len(wrong)  # none is ever given, until a switch makes the question harder
        self._wrong_until = [part / sum(wrong) for part in accumulate(wrong)]

    def pick(self, fraction: float, right_probability: float) -> str:
        """Return the right answer with a probability, else one of the others in proportion to theirs.

        `fraction`: a random number from 0 to 1, without 1. The only answer of a question is always given.
        """
        if fraction < right_probability or not self._wrong:
            return self.right
        rest = (fraction - right_probability) / (1 - right_probability)
        return self._wrong[min(bisect_right(self._wrong_until, rest), len(self._wrong) - 1)]


class AnswerFile:
    """The answers of all questions, found by the text of a request."""

    def __init__(self, questions: Mapping[str, PossibleAnswers]) -> None:
        self._questions = questions
        self._longest_first: Sequence[str] = sorted(questions, key=len, reverse=True)
        self.find = lru_cache(SEARCHES_CACHED_MAX)(self._find)

    def _find(self, text: str) -> PossibleAnswers | None:
        """Return the answers to the question that is this text, else to the longest one within it."""
        exact = self._questions.get(text.strip())
        if exact is not None:
            return exact
        within = (question for question in self._longest_first if question in text)
        return next(map(self._questions.__getitem__, within), None)


def read_answer_file(path: Path) -> AnswerFile:
    """Return the answers of a JSONL file. Raise AnswerFileError, or OSError if it cannot be read."""
    questions: dict[str, PossibleAnswers] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            text, answers = _read_line(raw)
            if text in lines:
                raise AnswerFileError(f"line {lines[text]} has the same text")  # noqa: TRY301 - gets its place
        except AnswerFileError as error:
            raise AnswerFileError(f"{path}, line {number}: {error}") from None
        questions[text], lines[text] = answers, number
    if not questions:
        raise AnswerFileError(f"{path} has no questions")
    return AnswerFile(questions)


def _read_line(raw: bytes) -> tuple[str, PossibleAnswers]:
    """Return the question of a line, without space around it, and its answers. Raise AnswerFileError."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise AnswerFileError(f"no JSON at column {error.colno}: {error.msg}") from None
    if not isinstance(line, dict) or line.keys() != KEYS:
        raise AnswerFileError("an object with the keys text and answers is expected")
    text = line["text"]
    if not isinstance(text, str) or not text.strip():
        raise AnswerFileError("text is no text, or empty")
    return text.strip(), PossibleAnswers(_read_answers(line["answers"]))


def _read_answers(answers: Any) -> dict[str, float]:
    if isinstance(answers, str):
        return {answers: 1.0}
    if not isinstance(answers, dict) or not answers:
        raise AnswerFileError("answers is a text, or an object of texts and their probabilities")
    for text, probability in answers.items():
        if isinstance(probability, bool) or not isinstance(probability, int | float) or probability < 0:
            raise AnswerFileError(f'the probability of "{text:.60}" is no number from 0 to 1')
    if abs(sum(answers.values()) - 1) > SUM_TOLERANCE:
        raise AnswerFileError(f"the probabilities add up to {sum(answers.values()):.6g}, not 1")
    return answers
