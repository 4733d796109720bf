"""What `runner check SUITE.toml --json` says of a suite."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from runner.rules.json_object import JsonObject, about

if TYPE_CHECKING:
    from runner.cli.render.checks.suite_check import SuiteFacts


class ItemFault(JsonObject, frozen=True, kw_only=True):
    """One bad item."""

    row: Annotated[int | None, about("from 1, in a table or an array; null in a file of lines")]
    line: Annotated[int | None, about("of the file, from 1")]
    column: Annotated[str | None, about("name of the field")]
    code: Annotated[str, about("stable name of the fault")]
    reason: Annotated[str, about("what is wrong")]
    fix: Annotated[str, about("what to do")]


class SuiteReadFile(JsonObject, frozen=True, kw_only=True):
    """A file that was read."""

    path: Annotated[str, about("where it is")]
    sha256: Annotated[str, about("of its bytes")]


class CheckedGrader(JsonObject, frozen=True, kw_only=True):
    """A grader, tried on the items' own targets as if these were the answers."""

    name: str
    type: str
    is_primary: bool
    tried: Annotated[int, about("items with a target")]
    wrong: Annotated[int, about("of them not graded 1")]
    examples: Annotated[
        list[Annotated[str, about("id of the item, and what the grader says")]], about("the first 5")
    ]
    not_tried: Annotated[str | None, about("why nothing was tried; null where it was")]


class DetectableDrop(JsonObject, frozen=True, kw_only=True):
    """The drop of the primary score that is found in 8 of 10 nights."""

    drop: Annotated[float, about("0 to 1, where each item rises and falls by itself")]
    drop_together: Annotated[
        float | None, about("where all items of a cluster rise and fall as one; null: no two items share one")
    ]
    score: Annotated[float, about("the mean that is assumed")]
    nights: Annotated[int, about("of the baseline")]


class CheckedSuite(JsonObject, frozen=True, kw_only=True):
    """A suite with its items."""

    name: str
    items_path: Annotated[str, about("the file with the items")]
    form: Annotated[str, about("jobs, openai-evals, inspect, table or recipe")]
    items: Annotated[int, about("good ones")]
    items_sha256: Annotated[str, about("of the good items, whatever their order")]
    bad: Annotated[list[ItemFault], about("the first 20")]
    clusters: Annotated[int, about("0: the items name none")]
    epochs: Annotated[int, about("how often each item is asked")]
    variants: Annotated[list[str], about("names of the subjects; empty where there is one")]
    requests: Annotated[int, about("items x epochs x variants")]
    files: Annotated[list[SuiteReadFile], about("all that were read beside the suite")]
    graders: Annotated[list[CheckedGrader], about("in the order of the suite")]
    warnings: Annotated[list[Annotated[str, about("a sentence")]], about("about the suite and its items")]
    detectable: Annotated[DetectableDrop | None, about("null without items")]


def checked_suite(suite: SuiteFacts) -> CheckedSuite:
    """Return the object of a suite."""
    found = suite.detectable
    return CheckedSuite(
        name=suite.name,
        items_path=suite.items_path,
        form=suite.form,
        items=suite.items,
        items_sha256=suite.items_sha256,
        bad=[ItemFault(**asdict(fault)) for fault in suite.faults],
        clusters=suite.clusters,
        epochs=suite.epochs,
        variants=list(suite.variants),
        requests=suite.requests,
        files=[SuiteReadFile(path=file.path, sha256=file.sha256) for file in suite.files],
        graders=[
            CheckedGrader(
                name=grader.name,
                type=grader.type,
                is_primary=grader.is_primary,
                tried=grader.tried,
                wrong=grader.wrong,
                examples=list(grader.examples),
                not_tried=grader.not_tried,
            )
            for grader in suite.graders
        ],
        warnings=list(suite.warnings),
        detectable=None if found is None else DetectableDrop(**found._asdict()),
    )
