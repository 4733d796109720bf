"""A text of labels in parts that know their place, and the fault of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class LabelFaultFound(Exception):  # noqa: N818 - named as the fault it becomes
    """A fault at an offset of the text."""

    def __init__(self, offset: int, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.offset = offset
        self.reason = reason
        self.fix = fix


class TextPart(NamedTuple):
    """A part of the text without the spaces around it, and its offset."""

    offset: int
    text: str

    @classmethod
    def trimmed(cls, offset: int, text: str) -> TextPart:
        return cls(offset + len(text) - len(text.lstrip()), text.strip())

    def inner(self, start: int, end: int | None = None) -> TextPart:
        """Return a part of this part, trimmed."""
        return TextPart.trimmed(self.offset + start, self.text[start:end])

    def split(self, separator: str) -> Iterator[TextPart]:
        """Yield the trimmed parts between separators."""
        offset = self.offset
        for text in self.text.split(separator):
            yield TextPart.trimmed(offset, text)
            offset += len(text) + len(separator)
