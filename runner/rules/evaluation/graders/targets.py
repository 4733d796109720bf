"""What an answer is compared with, as texts; and the grades that graders share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.evaluation.graders.grade import Grade, unscored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.evaluation.suite.item import Item

LABEL_CHARACTERS_MAX: Final = 60
RIGHT: Final = Grade(1)
WRONG: Final = Grade(0)
NO_ANSWER: Final = Grade(0, "no answer")  # it has nothing that the grader looks for


def yes_or_no(is_right: bool, label: str = "") -> Grade:
    """Return the grade of an answer that is right or wrong. It is an int: such scores are tested exactly."""
    return Grade(int(is_right), label)


def target_of(item: Item, own: object) -> object:
    """Return what an item's answer is compared with: the grader's own target, if it has one."""
    return item.target if own is None else own


def target_texts(target: object) -> Sequence[str]:
    """Return the texts each of which is right; none where there is no target, or one that is no text."""
    if isinstance(target, str):
        return (target,)
    if isinstance(target, list | tuple):
        texts = [_scalar_text(one) for one in target]
        return () if None in texts else [text for text in texts if text is not None]
    text = _scalar_text(target)
    return () if text is None else (text,)


def unscored_target(target: object, wanted: str) -> Grade:
    """Return the grade where an item's target cannot be compared with; `wanted` is what it had to be."""
    if target is None:
        return unscored("the item has no target")
    return unscored(f"the target is {_kind(target)}, not {wanted}")


def printable(text: str) -> str:
    """Return a text as a label or reason that can be stored and shown: on one line, short, no controls."""
    if text.isprintable() and len(text) <= LABEL_CHARACTERS_MAX:
        return text
    cut = text[: LABEL_CHARACTERS_MAX * 4]
    line = " ".join("".join(one if one.isprintable() else " " for one in cut).split())
    return line if len(line) <= LABEL_CHARACTERS_MAX else line[: LABEL_CHARACTERS_MAX - 1] + "…"


def _scalar_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def _kind(target: object) -> str:
    if isinstance(target, str):
        return "empty" if not target.strip() else f'"{printable(target)}"'
    if isinstance(target, dict):
        return "an object"
    if isinstance(target, list | tuple):
        return "a list" if target else "an empty list"
    return printable(str(target))
