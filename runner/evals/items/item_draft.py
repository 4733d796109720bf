"""An item as a row of a file gives it, before it has an id; and what is wrong with a row that gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from runner.rules.requests.messages import ROLES, check_messages, message_list_problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.diagnostics import Problem
    from runner.rules.evaluation.suite.item import JsonValue

ID_CHARACTERS_MAX: Final = 400  # a job's id has 512: the variant and the epoch are added


class ItemDraft(NamedTuple):
    """What a row says of an item: the fields of an `Item`, but `id` is None where the row has none."""

    id: str | None
    messages: Sequence[Mapping[str, Any]]
    target: JsonValue = None
    choices: tuple[str, ...] = ()
    body: Mapping[str, Any] = {}
    cluster: str | None = None
    metadata: Mapping[str, Any] = {}


class BadRow(Exception):  # noqa: N818 - it is the row that is bad
    """A row is no item. `code` is stable kebab-case, `field` the name of the field at fault, if one is."""

    def __init__(self, code: str, reason: str, fix: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fix = fix
        self.field = field


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field: that of the key itself, or where its dots lead to; None if absent."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def has_field(row: Mapping[str, Any], name: str) -> bool:
    """Return whether a row has a field, be it null."""
    head, _, rest = name.partition(".")
    return name in row or (head in row and (not rest or value_at(row, name) is not None))


def input_messages(value: Any, field: str) -> list[dict[str, Any]]:
    """Return the messages of an input: a text of the user, or messages. Raises BadRow."""
    if isinstance(value, str):
        if not value.strip():
            raise BadRow("empty-input", "the input is empty", "write the question, or remove the row", field)
        return [{"role": "user", "content": value}]
    if value is None:
        fix = "write the question, or name its column as [items] input"
        raise BadRow("missing-input", "the row has no input", fix, field)
    if not isinstance(value, list):
        raise BadRow("bad-input", "the input is no text and no list", "write a text or messages", field)
    return checked_messages(value, field)


def checked_messages(messages: Any, field: str | None = None) -> list[dict[str, Any]]:
    """Return a list of messages as it is. Raises BadRow where the API would refuse it."""
    if (problem := message_list_problem(messages)) is not None:
        raise bad_row_of(problem, field)
    checked: list[dict[str, Any]] = messages
    for message in checked:
        if not _is_plain(message):
            break
    else:
        return checked
    problems: list[Problem] = []
    check_messages(checked, problems)
    for found in problems:
        if found.severity == "refused":
            raise bad_row_of(found, field)
    return checked


def _is_plain(message: Any) -> bool:
    """Return whether a message is a role and a text, which is never refused; most are."""
    if type(message) is not dict or message.get("role") not in ROLES or "tool_calls" in message:
        return False
    content = message.get("content")
    return type(content) is str and bool(content)


def bad_row_of(problem: Problem, field: str | None = None) -> BadRow:
    """Return a problem of a job line as what is wrong with a row."""
    return BadRow(problem.code, problem.reason, problem.fix, field)


def with_system(
    messages: Sequence[Mapping[str, Any]], system: Any, field: str
) -> Sequence[Mapping[str, Any]]:
    """Return messages with a system message before them where there is one. Raises BadRow."""
    if system is None or system == "":
        return messages
    if not isinstance(system, str):
        raise BadRow("bad-system", "the system message is no text", "write a text", field)
    return [{"role": "system", "content": system}, *messages]


def target_of(value: Any, field: str) -> JsonValue:
    """Return what is right: a text, a list of texts, or an object; numbers become texts. Raises BadRow."""
    if value is None or isinstance(value, dict):
        return value
    if type(value) is str and value.strip():
        return value
    texts = _texts_of(value if isinstance(value, list) else [value])
    if texts is None:
        fix = "write a text, a list of texts, or an object of fields"
        raise BadRow("bad-target", "the target is no text and no list of texts", fix, field)
    if not texts or not all(map(str.strip, texts)):
        reason = "the target is empty: every answer would begin with it and include it"
        raise BadRow("empty-target", reason, "write what is right, or remove the row", field)
    return texts if isinstance(value, list) else texts[0]


def choices_of(value: Any, field: str) -> tuple[str, ...]:
    """Return the options of a question. Raises BadRow where they are no list of texts."""
    if value is None:
        return ()
    texts = _texts_of(value) if isinstance(value, list) else None
    if texts is None:
        fix = 'write a list, as ["Paris", "Rome"]'
        raise BadRow("bad-choices", "the choices are no list of texts", fix, field)
    return tuple(texts)


def id_of(value: Any, field: str) -> str | None:
    """Return the id that a row gives, None where it gives none. Raises BadRow."""
    if value is None or value == "":
        return None
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise BadRow("bad-id", "the id is no text", "write a text or a whole number", field)
    if len(text) > ID_CHARACTERS_MAX:
        reason = f"the id has {len(text):,} characters"
        raise BadRow("bad-id", reason, f"use at most {ID_CHARACTERS_MAX}", field)
    return text


def cluster_of(value: Any, field: str) -> str | None:
    """Return the cluster of an item, None where the row names none. Raises BadRow."""
    if value is None or value == "":
        return None
    text = _text_of(value)
    if text is None:
        raise BadRow("bad-cluster", "the cluster is no text", "write a text or a number", field)
    return text


def json_in(value: Any) -> Any:
    """Return the list or object that a text holds as JSON, as cells of a CSV do; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _texts_of(values: list[Any]) -> list[str] | None:
    """Return texts, of numbers too; None where one is neither."""
    texts = [text for text in map(_text_of, values) if text is not None]
    return texts if len(texts) == len(values) else None


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else None
