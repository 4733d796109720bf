"""A recipe as TOML: the same recipe always gives the same text, and reading it gives the recipe again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from runner.rules.recipes.recipe import VERSION, Ask, Recipe

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_CLOSING: Final = re.compile(r'"(?="|\Z)')  # quotes that could end the text
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def recipe_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML; what has its default is left out."""
    head = {"recipe": VERSION, "schema": recipe.schema}
    blocks = [_lines(head), *(_section(name, values) for name, values in _sections(recipe).items())]
    return "\n".join(block for block in blocks if block)


def _sections(recipe: Recipe) -> dict[str, dict[str, Any]]:
    table, prompt, ask, out = recipe.table, recipe.prompt, recipe.ask, recipe.out
    return {
        "table": {
            "file": table.file,
            "encoding": table.encoding,
            "delimiter": table.delimiter,
            "id": table.id,
            "where": table.where,
            "sample": table.sample,
            "seed": table.seed,
            "limit": table.limit,
        },
        "prompt": {
            "model": prompt.model,
            "system": prompt.system,
            "text": prompt.text,
            "user": prompt.user,
            "image": prompt.image,
            "examples": prompt.examples,
        },
        "prompt.set": dict(prompt.constants),
        "labels": dict(recipe.labels),
        "ask": {
            "reask": None if ask.reask == Ask().reask else ask.reask,
            "repair": None if ask.repair else False,
        },
        "body": dict(recipe.body),
        "out": {"file": out.file, "columns": list(out.columns) or None, "prefix": out.prefix},
    }


def _section(name: str, values: Mapping[str, Any]) -> str:
    lines = _lines(values)
    return f"[{name}]\n{lines}" if lines else ""


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in values.items() if value is not None)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one) for one in value)}]"
    return repr(value)


def _text(text: str) -> str:
    """Return a text in quotes; one of several lines keeps them."""
    if "\n" not in text:
        return _quoted(text)
    escaped = _CLOSING.sub(r'\\"', text.replace("\\", "\\\\"))
    return f'"""\n{_CONTROL.sub(_escape, escaped)}"""'


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
