"""docs/json.md: every key that `--json` prints, with its type and meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.docs.json_schema import OF_COMMANDS, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.docs.json_types import Shape

_HEAD: Final = """\
# JSON

Generated from `tools/docs/json_schema.py` by `make docs`; do not edit. As JSON Schema the shapes are in
[json.schema.json](json.schema.json).

With `--json` a command prints one object on stdout and nothing else; `watch --json` prints one a line. A
command that fails prints the error object there, its words on stderr as always, and ends with its exit code.
Keys are only ever added. Money is in ticks, of which 10^10 are one US dollar; spans of time end in `_s`
(seconds), times in `_at` (UTC). `run` prints the summary when it has written the files, and how the run
stands where it is left before that.
"""


def markdown() -> str:
    """Return the text of docs/json.md."""
    lines = [
        _HEAD,
        "| command | prints |",
        "|---|---|",
    ]
    titles = {id(shape): title for title, shape in TITLES.items()}
    for command, shapes in OF_COMMANDS.items():
        shown = ", or ".join(
            f"[{titles[id(shape)]}](#{titles[id(shape)].replace(' ', '-')})" for shape in shapes
        )
        lines.append(f"| `{command}` | {shown} |")
    lines.append("| any, when it fails | [error](#error) |")
    for title, shape in TITLES.items():
        lines += ["", f"## {title}", "", f"{_sentence(shape['description'])}", "", "| key | type | meaning |"]
        lines += [
            "|---|---|---|",
            *(f"| `{key}` | {kind} | {about} |" for key, kind, about in _keys(shape, "")),
        ]
    return "\n".join([*lines, ""])


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _keys(shape: Shape, under: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, type and meaning of every key of an object, nested keys by their dotted path."""
    for key, value in shape.get("properties", {}).items():
        path = f"{under}{key}"
        yield path, _kind(value), str(value.get("description", ""))
        yield from _keys(value, f"{path}.")
        if "items" in value:
            yield from _keys(value["items"], f"{path}[].")
        if isinstance(value.get("additionalProperties"), dict):
            yield from _keys(value["additionalProperties"], f"{path}.*.")


def _kind(shape: Shape) -> str:
    if "enum" in shape:
        return ", ".join("null" if word is None else f"`{word}`" for word in shape["enum"])
    kinds = shape.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
