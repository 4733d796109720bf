"""The recipe as it is stored with a run: what judges its answers and writes its table, as canonical JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from runner.rules.labels.label_columns import fields_of_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.rules.labels.label_field import LabelField
    from runner.rules.recipes.recipe import Recipe


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


def label_fields(stored: str) -> tuple[LabelField, ...]:
    """Return the labels of a stored recipe, in the order of its schema."""
    return tuple(fields_of_schema(orjson.loads(stored)["schema"]))


def output(stored: str) -> dict[str, object]:
    """Return the columns and the prefix of a stored recipe, by name."""
    found: dict[str, object] = orjson.loads(stored)["out"]
    return found


def with_output(stored: str, wanted: str) -> str:
    """Return a stored recipe with the columns and the prefix of another one; nothing else changes."""
    return orjson.dumps(orjson.loads(stored) | {"out": orjson.loads(wanted)["out"]}).decode()


def differences(stored: str, wanted: str) -> list[str]:
    """Return in words what a run keeps of how it asks, where a recipe of the same requests differs."""
    kept, other = orjson.loads(stored), orjson.loads(wanted)
    return [
        f"{name} {_shown(kept['ask'][name])}"
        for name in ("reask", "repair")
        if kept.get("ask", {}).get(name) != other["ask"][name]
    ]


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
