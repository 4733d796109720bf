"""Reads a suite file, and the texts of the files that it names."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, available_timezones

from runner.intake.recipe_file import RecipeFiles, read_toml
from runner.rules.errors import UserError
from runner.rules.evaluation.suite_table import SuiteFile, read_suite_table
from runner.rules.recipe import FILE_PREFIX, RecipeFault, error_of_faults

if TYPE_CHECKING:
    from collections.abc import Sequence, Set
    from pathlib import Path

    from runner.rules.evaluation.suite import GraderSpec, Subject, Suite

KIND: Final = "suite"
_ENDINGS: Final = (".suite.toml", ".toml")
_OWN_KEYS: Final = frozenset({"subject", "grader", "gate", "items"})


def is_suite_file(path: Path) -> bool:
    """Return whether a file is a suite, by its name or, where that is .toml alone, by its keys."""
    name = path.name.lower()
    if name.endswith(".suite.toml"):
        return True
    if not name.endswith(".toml"):
        return False
    try:
        table = read_toml(path, KIND)
    except UserError:
        return False
    return bool(_OWN_KEYS & table.keys()) and "recipe" not in table


def read_suite_file(path: Path, files: RecipeFiles) -> SuiteFile:
    """Return what a suite file says, with the texts of the files that it names.

    `files` are those of its folder. Raises RecipeError with all faults of the suite, UsageError where the
    file cannot be read.
    """
    found, faults = read_suite_table(read_toml(path, KIND), _stem(path))
    faults += _timezone_faults(found.suite.timezone)
    reader = _SuiteTexts(files, faults)
    suite = reader.suite(found.suite)
    faults += _grader_faults(suite, reader.unread)
    if faults:
        raise error_of_faults(str(path), faults, KIND)
    return found._replace(suite=suite)


def _stem(path: Path) -> str:
    return next((path.name.removesuffix(end) for end in _ENDINGS if path.name.endswith(end)), path.stem)


class _SuiteTexts:
    """Puts the content of files in the place of `file:NAME`; a file that cannot be read becomes a fault."""

    def __init__(self, files: RecipeFiles, faults: list[RecipeFault]) -> None:
        self._files = files
        self._faults = faults
        self.unread: set[str] = set()  # names of graders that lack the text of a file

    def suite(self, suite: Suite) -> Suite:
        subjects = tuple(self._subject(subject, _key("subject", suite.subjects, place))
                         for place, subject in enumerate(suite.subjects, 1))  # fmt: skip
        graders = tuple(self._grader(grader, _key("grader", suite.graders, place))
                        for place, grader in enumerate(suite.graders, 1))  # fmt: skip
        return replace(suite, subjects=subjects, graders=graders)

    def _subject(self, subject: Subject, key: str) -> Subject:
        system, user = (self._value(getattr(subject, name), f"{key}.{name}") for name in ("system", "user"))
        return replace(subject, system=system, user=user)

    def _grader(self, grader: GraderSpec, key: str) -> GraderSpec:
        before = len(self._faults)
        options = {name: self._value(value, f"{key}.{name}") for name, value in grader.options.items()}
        if len(self._faults) > before:
            self.unread.add(grader.name)
        return replace(grader, options=options)

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: self._value(one, f"{key}.{name}") for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one, f"{key}.{place}") for place, one in enumerate(value, 1)]
        if not isinstance(value, str) or not value.startswith(FILE_PREFIX):
            return value
        try:
            return self._files.text_of(value, key)
        except UserError as error:
            reason = error.what.removeprefix(f"{key}: ")
            self._faults.append(RecipeFault(key, reason, error.fix))
            return value


def _grader_faults(suite: Suite, unread: Set[str]) -> list[RecipeFault]:
    """Return what is wrong with the options of the graders that have all of them, and a type."""
    from runner.rules.evaluation.graders import grader_faults

    whole = (grader for grader in suite.graders if grader.type and grader.name not in unread)
    return [fault for grader in whole for fault in grader_faults(grader)]


def _key(name: str, tables: Sequence[object], place: int) -> str:
    """Return the path of a table of an array, as `TomlSection.sections` names it."""
    return name if len(tables) == 1 else f"{name}.{place}"


def _timezone_faults(name: str | None) -> list[RecipeFault]:
    if name is None:
        return []
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        near = get_close_matches(name, known, n=1)
        fix = f'did you mean "{near[0]}"?' if near else 'write its IANA name, like "Europe/Berlin"'
        if not known:
            fix = "install the data of time zones: pip install tzdata"
        return [RecipeFault("timezone", f'there is no time zone "{name:.60}"', fix)]
    return []
