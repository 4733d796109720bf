"""From an item to the request that a subject of the suite sends for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.intake.template_source import Names
from runner.intake.templates import RenderError, parse_template
from runner.rules.recipes.recipe import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.intake.templates import RowTemplate
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Subject

INPUT: Final = "input"
CHOICES: Final = "choices"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class ItemPrompt:
    """Makes the requests of one subject.

    Its template may use `input` (the text of the item's last user message), `choices` (a line for each, with
    its letter), and the item's metadata by their names.
    """

    def __init__(self, subject: Subject, metadata_names: Sequence[str]) -> None:
        """`metadata_names`: those of all items. Raises RecipeError where the template cannot be used."""
        self.subject = subject
        self._template = None if subject.user is None else _template(subject.user, metadata_names)

    @property
    def shows_choices(self) -> bool:
        """Return whether the template shows the choices of an item."""
        return self._template is not None and CHOICES in self._template.columns

    @property
    def metadata_names(self) -> set[str]:
        """Return the names of the metadata that the template prints."""
        return set() if self._template is None else {*self._template.columns} - {INPUT, CHOICES}

    def body(self, item: Item) -> dict[str, Any]:
        """Return the fields of the request: model, messages, the subject's own and the item's own.

        A field that both have is the item's. Raises RenderError.
        """
        messages = list(item.messages)
        if self._template is not None:
            messages = _with_text(messages, self._rendered(self._template, item))
        if self.subject.system is not None:
            messages = [{"role": "system", "content": self.subject.system}, *messages]
        return {"model": self.subject.model, "messages": messages, **self.subject.body, **item.body}

    def _rendered(self, template: RowTemplate, item: Item) -> str:
        row = {name: item.metadata.get(name) for name in template.columns}
        row |= {INPUT: item.text, CHOICES: choice_lines(item.choices) or None}
        text = template.render(row)
        if not text.strip():
            raise RenderError("empty-prompt", "the prompt is empty", "print {{ input }} in the template")
        return text


def choice_lines(choices: Sequence[str]) -> str:
    """Return the options of a question, a line for each: `A) …`."""
    return "\n".join(f"{_letter(place)}) {choice}" for place, choice in enumerate(choices))


def _letter(place: int) -> str:
    return _LETTERS[place] if place < len(_LETTERS) else str(place + 1)


def _template(source: str, metadata_names: Sequence[str]) -> RowTemplate:
    names = dict.fromkeys((INPUT, CHOICES, *metadata_names))
    found = parse_template(source, "user", Names(tuple(names), {}))
    if isinstance(found, list):
        raise RecipeError(
            "the template of the subject cannot be used",
            where=tuple(str(fault).replace("there is no column", "the items have no") for fault in found),
            fix="correct user",
        )
    return found


def _with_text(messages: Sequence[Mapping[str, Any]], text: str) -> list[Mapping[str, Any]]:
    """Return messages whose last one of the user says `text`, with the images that it had."""
    changed = list(messages)
    places = [place for place, message in enumerate(changed) if message.get("role") == "user"]
    if not places:
        return [*changed, {"role": "user", "content": text}]
    last = changed[places[-1]]
    content = last.get("content")
    parts = content if isinstance(content, list | tuple) else []
    images = [part for part in parts if part.get("type") != "text"]
    whole: Any = [{"type": "text", "text": text}, *images] if images else text
    changed[places[-1]] = {**last, "content": whole}
    return changed
