"""Reads a suite file, and the texts of the files that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from runner.evals.suite.suite_faults import suite_faults
from runner.intake.recipe_file import RecipeFiles, read_toml
from runner.rules.errors import UserError
from runner.rules.evaluation.suite.suite_table import SuiteFile, read_suite_table
from runner.rules.recipes.recipe import FILE_PREFIX, RecipeFault, error_of_faults, is_suite_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from runner.rules.evaluation.suite.suite import GraderSpec, Subject, Suite

KIND: Final = "suite"
_ENDINGS: Final = (".suite.toml", ".toml")


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
    return is_suite_table(table)


def read_suite_file(path: Path, files: RecipeFiles) -> SuiteFile:
    """Return what a suite file says, with the texts of the files that it names.

    `files` are those of its folder. Raises RecipeError with all faults of the suite, UsageError where the
    file cannot be read.
    """
    found, faults = read_suite_table(read_toml(path, KIND), _stem(path))
    suite = _SuiteTexts(files, faults).suite(found.suite)
    faults += suite_faults(suite)
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
        options = {name: self._value(value, f"{key}.{name}") for name, value in grader.options.items()}
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


def _key(name: str, tables: Sequence[object], place: int) -> str:
    """Return the path of a table of an array, as `TomlSection.sections` names it."""
    return name if len(tables) == 1 else f"{name}.{place}"
