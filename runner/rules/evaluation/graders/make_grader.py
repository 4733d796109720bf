"""From the spec of a grader to the grader, its faults, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.rules.errors import UsageError
from runner.rules.evaluation.graders import option_checks as check
from runner.rules.evaluation.graders.code_grader import GradeFunction
from runner.rules.evaluation.graders.combined_graders import GraderPart
from runner.rules.evaluation.graders.grader_types import (
    ASKS_A_MODEL,
    EXECUTES,
    OTHER_NAMES,
    TYPES,
    GraderType,
)
from runner.rules.evaluation.graders.targets import printable
from runner.rules.recipes.recipe import RecipeFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.evaluation.graders.grade import Answer, Grade, Grader
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import GraderSpec

LoadFunction: TypeAlias = Callable[[str], GradeFunction]

_PARTS: Final = "graders"
_WEIGHT: Final = "weight"
_DATA: Final = "scores"  # they are of answers, and no part of how a grader grades
_FLAWS: Final = {"refusal": "refused", "length": "cut", "empty": "empty"}
_OUTSIDE: Final = (
    "write the answers to a file, score them with a tool of your own, and give the scores back "
    'with type = "scores"'
)


@dataclass(frozen=True, slots=True)
class _WholeGrader:
    """A grader with its labels in order: a flaw of the answer comes first; all can be stored and shown."""

    grader: Grader

    def grade(self, item: Item, answer: Answer) -> Grade:
        """Return the grade."""
        grade = self.grader.grade(item, answer)
        flaw = answer.flaw
        if flaw is None and not grade.label:
            return grade
        label = printable(grade.label) if flaw is None else _FLAWS.get(flaw, flaw)
        return grade._replace(label=label)


def make_grader(spec: GraderSpec, load_function: LoadFunction | None = None) -> Grader:
    """Return the grader of a spec. Raises UsageError where the spec has faults.

    `load_function` finds the function of a grader of type python by its name; without it, such graders
    grade nothing. A grader that `may_hang` belongs into a process of its own.
    """
    if faults := grader_faults(spec):
        lines = tuple(str(fault) for fault in faults)
        raise UsageError(f'the grader "{spec.name}" cannot be used', where=lines, fix="correct the suite")
    return _WholeGrader(_make(spec.type, spec.options, load_function))


def grader_faults(spec: GraderSpec) -> list[RecipeFault]:
    """Return all that is wrong with a spec; keys are as in grader.NAME.OPTION."""
    return list(_faults(f"grader.{spec.name}", spec.type, spec.options))


def grader_sha256(spec: GraderSpec) -> str:
    """Return the hash of how a grader grades: only scores of graders with equal hashes are compared."""
    text = json.dumps(_identity(spec.type, spec.options), sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def may_hang(spec: GraderSpec) -> bool:
    """Return whether a grader, or one within it, may take for ever or end its process."""
    return any(kind.is_slow for kind in _kinds(spec.type, spec.options))


def runs_code(spec: GraderSpec) -> bool:
    """Return whether a grader, or one within it, is code that the suite names."""
    return any(kind.is_code for kind in _kinds(spec.type, spec.options))


def takes_scores(spec: GraderSpec) -> bool:
    """Return whether a grader, or one within it, takes scores of a file: they are of one night's answers."""
    return any(kind is TYPES["scores"] for kind in _kinds(spec.type, spec.options))


def _make(type_name: str, options: Mapping[str, Any], load_function: LoadFunction | None) -> Grader:
    kind = TYPES[type_name]
    if kind.has_parts:
        parts = [
            GraderPart(_make(part["type"], _options_of(part), load_function), part.get(_WEIGHT))
            for part in options[_PARTS]
        ]
        return kind.make({_PARTS: parts})
    if kind.is_code and load_function is not None:
        options = {**options, "function": load_function(options["function"])}
    return kind.make(options)


def _faults(path: str, type_name: str, options: Mapping[str, Any]) -> Iterator[RecipeFault]:
    kind = TYPES.get(type_name)
    if kind is None:
        yield _unknown_type(path, type_name)
        return
    for key, value in options.items():
        if key in kind.checks:
            yield from kind.checks[key](f"{path}.{key}", value)
        else:
            yield _unknown_option(f"{path}.{key}", key, type_name, kind)
    yield from _missing(path, kind, options)
    if kind.has_parts:
        yield from _part_faults(f"{path}.{_PARTS}", type_name, options.get(_PARTS))


def _missing(path: str, kind: GraderType, options: Mapping[str, Any]) -> Iterator[RecipeFault]:
    for key in kind.required:
        if key not in options:
            yield RecipeFault(f"{path}.{key}", "it is missing", f"a grader of this type needs {key}")
    if kind.one_of and not any(key in options for key in kind.one_of):
        yield RecipeFault(path, f"neither {' nor '.join(kind.one_of)} is given", f"give {kind.one_of[-1]}")


def _part_faults(path: str, type_name: str, parts: Any) -> Iterator[RecipeFault]:
    if not isinstance(parts, list | tuple):
        return
    if type_name == "not" and len(parts) > 1:
        yield RecipeFault(path, f"there are {len(parts)}", 'give one, or put them into one of type "any"')
    for place, part in enumerate(parts):
        if isinstance(part, Mapping) and isinstance(part.get("type"), str):
            yield from _faults(f"{path}.{place}", part["type"], _options_of(part))
            yield from _weight_faults(f"{path}.{place}.{_WEIGHT}", type_name, part)


def _weight_faults(key: str, type_name: str, part: Mapping[str, Any]) -> Iterator[RecipeFault]:
    if _WEIGHT not in part:
        return
    if type_name == "not":
        yield RecipeFault(key, "the part of a not has no weight", "remove it")
    yield from check.weight(key, part[_WEIGHT], 1 if type_name == "any" else None)


def _unknown_type(path: str, type_name: str) -> RecipeFault:
    key, name = f"{path}.type", type_name.lower().replace("-", "_")
    shown = f'there is no grader "{printable(type_name)}"'
    if name in EXECUTES:
        return RecipeFault(key, f"{shown}: what a model writes is never executed here", _OUTSIDE)
    if name in ASKS_A_MODEL:
        return RecipeFault(key, f"{shown}: no model is asked about answers", _OUTSIDE)
    near = [OTHER_NAMES[name]] if name in OTHER_NAMES else get_close_matches(name, TYPES, n=1)
    fix = f'did you mean "{near[0]}"?' if near else f"use one of: {', '.join(TYPES)}"
    return RecipeFault(key, shown, fix)


def _unknown_option(path: str, key: str, type_name: str, kind: GraderType) -> RecipeFault:
    near = get_close_matches(key.lower(), kind.checks, n=1)
    known = f"it has: {', '.join(kind.checks)}" if kind.checks else "remove it"
    reason = f"a grader of the type {type_name} has no such option"
    return RecipeFault(path, reason, f'did you mean "{near[0]}"?' if near else known)


def _options_of(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in ("type", _WEIGHT)}


def _identity(type_name: str, options: Mapping[str, Any]) -> list[Any]:
    kind = TYPES.get(type_name)
    kept = {key: value for key, value in options.items() if key not in (_PARTS, _DATA)}
    parts = [
        [part.get(_WEIGHT), _identity(part["type"], _options_of(part))] for part in options.get(_PARTS, ())
    ]
    return [type_name, kind and kind.version, kept, parts]


def _kinds(type_name: str, options: Mapping[str, Any]) -> Iterator[GraderType]:
    if type_name in TYPES:
        yield TYPES[type_name]
    for part in options.get(_PARTS, ()):
        yield from _kinds(part["type"], _options_of(part))
