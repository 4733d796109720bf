"""From the tables of a TOML file to a suite: keys and types are checked, all in one pass."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules.evaluation.suite.gate_table import read_gates
from runner.rules.evaluation.suite.suite import AGAIN, GraderSpec, Subject, Suite
from runner.rules.evaluation.suite.suite_items import FieldMap, ItemForm, SuiteItems
from runner.rules.recipes.toml_section import TomlSection, json_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.rules.recipes.recipe import RecipeFault

EPOCHS_MAX: Final = 100
NAME_CHARACTERS_MAX: Final = 64  # of a variant or a grader; the id of a job has the variant's in it
_SUITE_NAME_CHARACTERS_MAX: Final = 100
_OWNERS: Final[dict[str, tuple[str, ...]]] = {
    "subject": ("name", "model", "system", "user", "body"),
    "grader": ("name", "type", "primary"),
    "gate": ("grader", "rule", "false_alarms", "baseline", "remeasure", "at_least", "by"),
    "items": ("file", "form", "input", "target", "id", "choices", "cluster", "system", "metadata", "gold"),
}
_TOP: Final = ("name", "items", "epochs", "timezone", "subject", "grader", "gate")
_MADE_FIELDS: Final = {  # fields of the request that are not for a subject's body
    "model": "write it as model of the subject",
    "messages": "the items have the messages; write system and user in the subject",
    "prompt": "the items have the prompts; write user in the subject",
    "system": "write it as system of the subject",
    "deferred": "remove it; every request is sent deferred",
    "stream": "remove it; a deferred answer cannot be streamed",
    "id": "remove it; ids are made of items and epochs",
    "custom_id": "remove it; ids are made of items and epochs",
    "metadata": "remove it; the API knows no such field",
}


class SuiteFile(NamedTuple):
    """What a suite file says; texts that name files are not read yet."""

    suite: Suite
    items: SuiteItems


def read_suite_table(table: Mapping[str, Any], stem: str) -> tuple[SuiteFile, list[RecipeFault]]:
    """Return the suite of a parsed TOML file, and its faults: with any of them it must not be used.

    `stem` is the name of the file without its ending, the default name of the suite.
    """
    faults: list[RecipeFault] = []
    top = TomlSection(table, faults)
    top.check_keys(_TOP, _OWNERS)
    graders = _graders(top)
    suite = Suite(
        name=_suite_name(top, stem),
        subjects=_subjects(top),
        graders=graders,
        gates=read_gates(top.sections("gate"), graders),
        epochs=top.whole("epochs", 1, EPOCHS_MAX, 1) or 1,
        timezone=top.text("timezone"),
    )
    return SuiteFile(suite, _items(top)), faults


def _suite_name(top: TomlSection, stem: str) -> str:
    name = top.text("name") or stem
    if reason := _no_suite_name(name):
        top.fault("name", f'"{name:.40}" {reason}', 'write a name like "support-answers"')
    return name


def _no_suite_name(name: str) -> str | None:
    """Return why a text is no name of a suite, whose nights are runs NAME@DATE and files NAME.DATE."""
    if not name.isprintable() or set("@/") & set(name) or name != name.strip():
        return "is no name of a suite: it has @ or /, or begins or ends with a space"
    if name.endswith(AGAIN):
        return f"ends with {AGAIN}: so end the second measurements of other suites"
    if len(name) > _SUITE_NAME_CHARACTERS_MAX:
        return f"is longer than {_SUITE_NAME_CHARACTERS_MAX} characters"
    if name.isdigit() or name.startswith(("-", ".")):
        return "is no name of a suite: it is a number, or begins with - or ."
    return None


def _subjects(top: TomlSection) -> tuple[Subject, ...]:
    sections = top.sections("subject")
    if top.table.get("subject", []) == []:
        top.fault("subject", "is missing", 'write [subject] and below it model = "grok-4.3"')
    for section in sections:
        section.check_keys(_OWNERS["subject"], _OWNERS)
    names = [_subject_name(section, is_needed=len(sections) > 1) for section in sections]
    _check_unique(sections, names)
    return tuple(_subject(section, name) for section, name in zip(sections, names, strict=True))


def _subject(section: TomlSection, name: str) -> Subject:
    model = section.text("model")
    if "model" not in section.table:
        section.fault("model", "is missing", 'write model = "grok-4.3"')
    return Subject(
        name=name,
        model=model or "",
        system=section.text("system"),
        user=section.text("user"),
        body=section.body("body", _MADE_FIELDS),
    )


def _subject_name(section: TomlSection, *, is_needed: bool) -> str:
    name = section.text("name") or ""
    if not name and is_needed and "name" not in section.table:
        section.fault("name", "is missing", "several subjects are variants: give each a name")
    _check_name(section, name, "/#@")
    return name


def _graders(top: TomlSection) -> tuple[GraderSpec, ...]:
    sections = top.sections("grader")
    if top.table.get("grader", []) == []:
        top.fault("grader", "is missing", 'write [[grader]] and below it name = "correct" and type = "exact"')
    names = [section.text("name") or section.text("type") or "" for section in sections]
    for section, name in zip(sections, names, strict=True):
        _check_name(section, name, "")
    _check_unique(sections, names)
    primary = [section.flag("primary", default=False) for section in sections]
    if sum(primary) > 1:
        second = sections[primary.index(True, primary.index(True) + 1)]
        second.fault("primary", "there is a primary grader already", "the default gate is for one: remove it")
    first = primary.index(True) if any(primary) else 0
    return tuple(
        _grader(section, name, is_primary=place == first)
        for place, (section, name) in enumerate(zip(sections, names, strict=True))
    )


def _grader(section: TomlSection, name: str, *, is_primary: bool) -> GraderSpec:
    type_name = section.text("type")
    if "type" not in section.table:
        section.fault("type", "is missing", 'write type = "exact", "includes", "choice", "number" …')
    options = {key: value for key, value in section.table.items() if key not in _OWNERS["grader"]}
    for key, value in options.items():
        for fault in json_faults(key, value):
            section.fault(*fault)
    return GraderSpec(name=name, type=type_name or "", options=options, is_primary=is_primary)


def _check_name(section: TomlSection, name: str, refused: str) -> None:
    if not name.isprintable() or set(refused) & set(name) or len(name) > NAME_CHARACTERS_MAX:
        marks = f" and without {' '.join(refused)}" if refused else ""
        words = f"must be printable, of at most {NAME_CHARACTERS_MAX} characters{marks}"
        section.fault("name", words, "give it a short name")


def _check_unique(sections: Sequence[TomlSection], names: Sequence[str]) -> None:
    counts = Counter(names)
    for place, name in enumerate(names):
        if name and counts[name] > 1 and name in names[:place]:
            sections[place].fault("name", f'"{name:.40}" is there already', "give each a name of its own")


def _items(top: TomlSection) -> SuiteItems:
    if isinstance(top.table.get("items"), str):
        return SuiteItems(file=top.text("items") or "")
    if "items" not in top.table:
        top.fault("items", "is missing", 'write items = "items.jsonl", a file beside the suite')
        return SuiteItems(file="")
    section = top.section("items")
    section.check_keys(_OWNERS["items"], _OWNERS)
    if isinstance(top.table["items"], dict) and "file" not in section.table:
        section.fault("file", "is missing", 'write file = "items.jsonl", a file beside the suite')
    return SuiteItems(
        file=section.text("file") or "", form=_form(section), fields=_field_map(section), gold=_gold(section)
    )


def _form(section: TomlSection) -> ItemForm | None:
    word = section.text("form")
    if word is None:
        return None
    if word not in list(ItemForm):
        section.fault("form", f'there is no form "{word:.40}"', f"use one of: {', '.join(ItemForm)}")
        return None
    return ItemForm(word)


def _field_map(section: TomlSection) -> FieldMap:
    return FieldMap(
        input=section.text("input"),
        target=section.text("target"),
        id=section.text("id"),
        choices=section.text("choices"),
        cluster=section.text("cluster"),
        system=section.text("system"),
        metadata=section.texts("metadata") if "metadata" in section.table else None,
    )


def _gold(section: TomlSection) -> Mapping[str, str]:
    found = section.section("gold")
    return {key: found.text(key) or "" for key in found.table}
