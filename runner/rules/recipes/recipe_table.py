"""From the tables of a TOML file to a recipe: keys and types are checked, all in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.recipes.recipe import (
    REASK_DEFAULT,
    REASK_MAX,
    VERSION,
    Ask,
    Out,
    Prompt,
    Recipe,
    RecipeFault,
    TableChoice,
)
from runner.rules.recipes.toml_section import TomlSection, is_json_number, kind, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "table": ("file", "id", "where", "sample", "seed", "limit", "encoding", "delimiter"),
    "prompt": ("model", "system", "user", "text", "image", "examples", "set"),
    "ask": ("reask", "repair"),
    "out": ("file", "columns", "prefix"),
}
_TOP: Final = ("recipe", "schema", *_KEYS, "labels", "body")
MADE_FIELDS: Final = {  # fields of the request that are not for [body]
    "model": "write it as prompt.model",
    "messages": "write prompt.system and prompt.user",
    "response_format": "it is made from labels or schema",
    "deferred": "remove it; every request is sent deferred",
    "stream": "remove it; a deferred answer cannot be streamed",
}


def read_recipe(table: Mapping[str, Any]) -> tuple[Recipe, list[RecipeFault]]:
    """Return the recipe of a parsed TOML file, and its faults: with any of them it must not be used.

    What flags may still add is not missed here; see `recipe_faults`.
    """
    faults: list[RecipeFault] = []
    top = TomlSection(table, faults)
    _check_version(top)
    top.check_keys(_TOP, _KEYS)
    sections = {name: top.section(name) for name in _KEYS}
    for name, section in sections.items():
        section.check_keys(_KEYS[name], _KEYS)
    ask, out = sections["ask"], sections["out"]
    recipe = Recipe(
        table=_table_choice(sections["table"]),
        prompt=_prompt(sections["prompt"]),
        labels=_labels(top),
        schema=top.text("schema"),
        ask=Ask(
            reask=ask.whole("reask", 0, REASK_MAX, REASK_DEFAULT) or 0,
            repair=ask.flag("repair", default=True),
        ),
        body=top.body("body", MADE_FIELDS),
        out=Out(file=out.text("file"), columns=out.texts("columns"), prefix=out.text("prefix")),
    )
    return recipe, faults


def _check_version(top: TomlSection) -> None:
    version = top.table.get("recipe")
    if version is None:
        top.fault("recipe", "the version is missing", f"write recipe = {VERSION} on the first line")
    elif version is True or version != VERSION:
        top.fault("recipe", f"version {shown(version)} is unknown", f"write recipe = {VERSION}")


def _table_choice(table: TomlSection) -> TableChoice:
    delimiter = table.text("delimiter")
    if delimiter is not None and len(delimiter) != 1:
        table.fault("delimiter", "must be one character", 'write ";" or "\\t"')
    return TableChoice(
        file=table.text("file"),
        id=table.text("id"),
        where=table.text("where"),
        sample=table.whole("sample", 1),
        seed=table.whole("seed", 0),
        limit=table.whole("limit", 1),
        encoding=table.text("encoding"),
        delimiter=delimiter,
    )


def _prompt(prompt: TomlSection) -> Prompt:
    return Prompt(
        model=prompt.text("model"),
        system=prompt.text("system", may_be_empty=True),  # empty: no system prompt of one's own
        user=prompt.text("user"),
        text=prompt.text("text"),
        image=prompt.text("image"),
        examples=prompt.text("examples"),
        constants=_constants(prompt),
    )


def _constants(prompt: TomlSection) -> dict[str, Any]:
    kept = {}
    for name, value in prompt.table_at("set").items():
        if isinstance(value, str | bool) or is_json_number(value):
            kept[name] = value
        else:
            reason = f"must be a text, a number or true or false, not {kind(value)}"
            prompt.fault(f"set.{name}", reason, "write one of these")
    return kept


def _labels(top: TomlSection) -> dict[str, str]:
    found = top.table_at("labels")
    for name, value in found.items():
        if not isinstance(value, str) or not value.strip():
            fix = f'write {name} = "positive|neutral|negative"'
            top.fault(f"labels.{name}", f"must be a text, not {kind(value)}", fix)
        elif set("\n;") & set(name + value) or ":" in name:
            fix = "write each field as a key of its own, on one line"
            top.fault(f"labels.{name.strip()}", "has a line break, a semicolon or a colon", fix)
    return {name: value for name, value in found.items() if isinstance(value, str)}
