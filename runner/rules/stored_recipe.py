"""The recipe as it is stored with a run: what judges its answers and writes its table, as canonical JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.recipe import Recipe


def stored_recipe(
    recipe: Recipe, *, schema: bytes, table_format: str, prompt_columns: Sequence[str] = ()
) -> str:
    """Return the JSON of what a run keeps of a recipe: its schema, asks, output, reading and choice of rows.

    `schema` is the JSON as it is sent; the order of its properties is that of the label columns.
    `prompt_columns` are those that the prompt reads: they are shown beside the labels.
    """
    table, out = recipe.table, recipe.out
    stored = {
        "recipe": 1,
        "schema": orjson.Fragment(schema),
        "ask": {"reask": recipe.ask.reask, "repair": recipe.ask.repair},
        "out": {"columns": list(out.columns), "prefix": out.prefix or ""},
        "table": {"format": table_format, "encoding": table.encoding, "delimiter": table.delimiter},
        "rows": {"where": table.where, "sample": table.sample, "seed": table.seed, "limit": table.limit},
        "id": table.id,
        "prompt": {"columns": list(prompt_columns)},
    }
    return orjson.dumps(stored).decode()


def differences(stored: str, wanted: str) -> list[str]:
    """Return in words what a stored recipe says otherwise than another one that makes the same requests."""
    kept, other = orjson.loads(stored), orjson.loads(wanted)
    return [
        f"{name} {_shown(kept[section][name])}"
        for section, name in (("ask", "reask"), ("ask", "repair"), ("out", "columns"), ("out", "prefix"))
        if kept.get(section, {}).get(name) != other[section][name]
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(value) or "none"
    return str(value) or "none"
