"""Recognises JSON documents in the place of one object a line, and where in them the jobs are."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules.other_files.foreign_document import REQUESTS_AT
from runner.rules.other_files.foreign_form import recognised
from runner.rules.other_files.other_file import OtherFile
from runner.rules.other_files.other_line import CONVERT, other_line
from runner.rules.shell_words import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.other_files.foreign_form import ForeignForm

_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_OF_A_JOB: Final = frozenset({"custom_id", "prompt", "messages", "body"})
_OF_A_MESSAGE: Final = frozenset({"role", "content"})
_CONVERTED_WHOLE: Final = frozenset({(), *REQUESTS_AT})  # `convert` reads documents with jobs there
_LISTS_MAX: Final = 200


class _Jobs(NamedTuple):
    """A list in a document, and the keys that lead to it."""

    path: tuple[str, ...]
    items: list[Any]


def json_document(value: object, *, has_lines: bool) -> OtherFile | None:
    """Return what a file is that begins with a JSON value; None for an object that may be a job line.

    `has_lines`: the value is written over several lines. Of a long document its beginning is enough.
    """
    if isinstance(value, list):
        return _list(_Jobs((), value), "one JSON array")
    if not isinstance(value, dict):
        return None
    if found := other_line(value):
        return _over_lines(recognised(value)) if has_lines and found.code == "foreign-form" else found
    jobs = None if _OF_A_JOB & value.keys() else _jobs_in(value, of_any_kind=has_lines)
    if jobs is not None:
        held = "its jobs" if _is_like_a_job(jobs.items[0]) else "a list"
        return _list(jobs, f"one JSON document, with {held} in {_filter_of(jobs.path)}")
    return _over_lines(None) if has_lines else None


def _list(jobs: _Jobs, what: str) -> OtherFile | None:
    """Return what a document is by the first item of its list."""
    first = jobs.items[0] if jobs.items else {}
    path = _filter_of(jobs.path)
    if isinstance(first, dict):
        return _list_of_objects(jobs, first, what)
    if isinstance(first, str):
        return _written(what, f"{path}[] | {{prompt: .}}", None)
    if isinstance(first, list) and first and _is_message(first[0]):
        return _written(what, f"{path}[] | {{messages: .}}", None)
    return None


def _list_of_objects(jobs: _Jobs, first: dict[str, Any], what: str) -> OtherFile:
    path, form = _filter_of(jobs.path), recognised(first)
    if _is_message(first):
        return _written("a list of messages, not a job", f"{{messages: {path}}}", None)
    found = other_line(first)
    if found is not None and found.code != "foreign-form":
        return found
    if form is not None and jobs.path in _CONVERTED_WHOLE:
        what, fix = f"{what}, for {form.service}", f"convert it: {CONVERT}"
        return OtherFile(code="json-document", what=what, fix=fix)
    return _written(what, f"{path}[]", form)


def _is_message(item: object) -> bool:
    return isinstance(item, dict) and item.keys() >= _OF_A_MESSAGE


def _over_lines(form: ForeignForm | None) -> OtherFile:
    return _written("JSON with objects over several lines", ".", form)


def _written(what: str, jq_filter: str, form: ForeignForm | None) -> OtherFile:
    """Return a file whose cure is to write one object a line, and to convert it where it is of a service."""
    command = f"jq -c {shell_word(jq_filter)} FILE"
    if form is None:
        return OtherFile(code="json-document", what=what, fix=f"write one object a line: {command} > NEW")
    fix = f"convert it: {command} | runner convert - -o NEW"
    return OtherFile(code="json-document", what=f"{what}, for {form.service}", fix=fix)


def _jobs_in(document: dict[str, Any], *, of_any_kind: bool) -> _Jobs | None:
    """Return the first list of jobs in a document, those near its top first; else, if asked, of objects."""
    lists = list(_lists_in(document))
    for found in lists:
        if _is_like_a_job(found.items[0]):
            return found
    return lists[0] if lists and of_any_kind else None


def _is_like_a_job(item: dict[str, Any]) -> bool:
    return bool(_OF_A_JOB & item.keys()) or other_line(item) is not None


def _lists_in(document: dict[str, Any]) -> Iterator[_Jobs]:
    """Yield the lists of objects in a document, level by level."""
    left: deque[tuple[tuple[str, ...], dict[str, Any]]] = deque([((), document)])
    count = 0
    while left and count < _LISTS_MAX:
        path, node = left.popleft()
        for key, value in node.items():
            if isinstance(value, dict):
                left.append(((*path, key), value))
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                count += 1
                yield _Jobs((*path, key), value)


def _filter_of(path: tuple[str, ...]) -> str:
    """Return the filter of jq that leads to a value."""
    steps = "".join(f".{key}" if _NAME.fullmatch(key) else f"[{json.dumps(key)}]" for key in path)
    return steps if steps.startswith(".") else f".{steps}"
