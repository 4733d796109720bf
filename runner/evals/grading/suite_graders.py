"""Grades the answers of a suite: pure graders here, those that may hang in processes of their own."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.evals.grading.grader_process import GraderLimits, GraderProcess
from runner.evals.grading.score_file import read_epoch_scores
from runner.rules.errors import UsageError
from runner.rules.evaluation.graders import grader_sha256, make_grader, may_hang, runs_code
from runner.rules.evaluation.graders.code_grader import CodeGrader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from runner.rules.evaluation.gate.scores import Score
    from runner.rules.evaluation.graders.grade import Answer, Grade, Grader
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import GraderSpec, Suite

_LIMITS: Final = GraderLimits()


class AnswerGrader(Protocol):
    """Grades many answers by one grader."""

    def grade(self, answers: Sequence[tuple[Item, Answer]]) -> list[Grade]:
        """Return a grade for each answer."""
        ...


class GradeBatch:
    """The graders of a suite, ready to be used."""

    def __init__(self, graders: Mapping[str, AnswerGrader]) -> None:
        self._graders = graders

    def grade(self, answers: Sequence[tuple[Item, Answer]]) -> dict[str, list[Grade]]:
        """Return the grades by the name of the grader, each in the order of the answers."""
        return {name: grader.grade(answers) for name, grader in self._graders.items()}


@contextmanager
def open_graders(
    suite: Suite, folder: Path, trusts_code: bool, *, limits: GraderLimits = _LIMITS
) -> Iterator[GradeBatch]:
    """Give the graders of a suite that is in `folder`; their processes end with the block.

    Without `trusts_code`, graders that are code of the suite grade nothing. Raises UsageError where a grader
    cannot be made, or its code is not on this machine, TableError where a file of scores is none.
    """
    processes: list[GraderProcess] = []
    graders: dict[str, AnswerGrader] = {}
    try:
        for written in suite.graders:
            spec = resolved_grader(written, folder)
            grader = make_grader(spec)  # where it has faults, before anything is started
            if runs_code(spec) and not trusts_code:
                graders[spec.name] = _InProcess(CodeGrader(None))
            elif runs_code(spec) and not folder.is_dir():
                raise _no_folder(spec, folder)
            elif may_hang(spec):
                processes.append(GraderProcess(spec, folder, limits))
                graders[spec.name] = processes[-1]
            else:
                graders[spec.name] = _InProcess(grader)
        yield GradeBatch(graders)
    finally:
        for process in processes:
            process.close()


def refuse_untrusted(suite: Suite) -> None:
    """Raise UsageError for a suite with graders that are code: without trust a night of it has no scores."""
    for spec in suite.graders:
        if runs_code(spec):
            fix = "read the code; if you trust it, add --trust-code"
            raise UsageError(f'the grader "{spec.name:.60}" is code of the suite, which is not run', fix=fix)


def resolved_grader(spec: GraderSpec, folder: Path) -> GraderSpec:
    """Return a grader with what its options name: the scores of a file, and the hash of a module's source.

    The scores are not part of `grader_sha256`, the hash is. Where a file is not there, what the options have
    stays; without anything, there are no scores yet.
    """
    return replace(spec, options=_resolved(spec.type, spec.options, folder))


def grader_hashes(suite: Suite, folder: Path) -> dict[str, str]:
    """Return the hashes of the graders by name; that of code is one of its module's source, too."""
    return {spec.name: grader_sha256(resolved_grader(spec, folder)) for spec in suite.graders}


def _no_folder(spec: GraderSpec, folder: Path) -> UsageError:
    return UsageError(
        f'the code of the grader "{spec.name}" is not here: there is no folder {folder}',
        fix="run the command on the machine that has the suite, or put the folder back",
    )


class _InProcess:
    def __init__(self, grader: Grader) -> None:
        self._grader = grader

    def grade(self, answers: Sequence[tuple[Item, Answer]]) -> list[Grade]:
        """Return a grade for each answer."""
        grade = self._grader.grade
        return [grade(item, answer) for item, answer in answers]


def _resolved(type_name: str, options: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    if isinstance(parts := options.get("graders"), list | tuple):
        return {**options, "graders": [_resolved_part(part, folder) for part in parts]}
    if type_name == "scores" and isinstance(file := options.get("file"), str):
        return {**options, "scores": _scores(file, folder, options.get("scores", {}))}
    if type_name == "python" and isinstance(function := options.get("function"), str):
        return {**options, **_module_hash(function.partition(":")[0], folder)}
    return options


def _resolved_part(part: Any, folder: Path) -> Any:
    return _resolved(str(part.get("type")), part, folder) if isinstance(part, dict) else part


def _scores(
    file: str, folder: Path, kept: Mapping[str, Mapping[str, Score]]
) -> Mapping[str, Mapping[str, Score]]:
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise UsageError(f"{file} is outside the suite's folder", fix="put the scores beside the suite")
    return read_epoch_scores(path) if path.exists() else kept


def _module_hash(module: str, folder: Path) -> Mapping[str, str]:
    """Return the hash of the source of a module that is in the folder."""
    path = folder.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return {"module_sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    return {}
