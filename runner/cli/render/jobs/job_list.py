"""A page of a run's jobs, as a table and as a JSON object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Raw, UnsetType

from runner.cli.render import layout, text, text_cells
from runner.cli.render.jobs import conversation
from runner.rules.json_object import MONEY, SCHEMA, JsonObject, Moment, Schema, about
from runner.rules.json_text.answer_json import json_line, on_one_line, without_surrogates
from runner.rules.printed_id import printed_id
from runner.rules.redact import one_line
from runner.rules.replies.chat_completion import Flaw
from runner.rules.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runner.db.jobs.listed_jobs import LookedAt
    from runner.db.runs.run_row import RunRow

DatabaseRow: TypeAlias = Any  # of `db.jobs.listed_jobs`: its columns are attributes

_HEADINGS: Final = ("id", "line", "state", "code", "model", "attempts", "cost", "time")
_ID_WIDTH_MAX: Final = 40
_MODEL_LENGTH: Final = 24
_CODE_LENGTH: Final = 24
_FIT: Final = layout.Fit(  # columns as in _HEADINGS: the id, then code and model, then the id again
    right=frozenset({1, 5, 6}), steps=((0, 20), (4, 10), (3, 12), (0, 12), (4, 8), (3, 10)), fold_at=1
)
_TEXT_WIDTH: Final = layout.WIDTH - 10  # behind the indented names of `_content_lines`


class ListedJob(JsonObject, frozen=True, kw_only=True):
    """One job of a list."""

    id: Annotated[str, about("its custom_id")]
    line: Annotated[int, about("in the job file; of a labeled table the row")]
    state: Annotated[JobState, about("see docs/states.md")]
    error_code: Annotated[str | None, about("why it failed or is held (docs/errors.md)")]
    flaw: Annotated[Flaw | None, about("what its last answer lacks")]
    model: Annotated[str, about("asked for")]
    attempts: Annotated[int, about("how many it has had")]
    ticks: Annotated[int, about(f"known cost of all attempts, {MONEY}")]
    possible_ticks: Annotated[int, about("what attempts may have cost at most that could not be read")]
    due_at: Annotated[Moment | None, about("when it is sent or asked for next")]
    sent_at: Annotated[Moment | None, about("its last attempt")]
    finished_at: Annotated[Moment | None, about("its end")]
    request: Annotated[Raw, about("with --content: the request body, as it was written")] | UnsetType = UNSET
    answer: (
        Annotated[Raw | None, about("with --content: the answer's body as it came; null without a JSON one")]
        | UnsetType
    ) = UNSET


class LookedAtJobs(JsonObject, frozen=True, kw_only=True):
    """The jobs that a page has read: no index has what was asked for."""

    first: Annotated[int, about("place in the run, from 1")]
    last: Annotated[int, about("place in the run")]
    total: Annotated[int, about("jobs of the run")]


class JobList(JsonObject, frozen=True, kw_only=True):
    """A page of the jobs of a run."""

    schema: Schema
    as_of: Annotated[Moment, about("when this was true")]
    run: Annotated[int, about("id of the run")]
    jobs: Annotated[list[ListedJob], about("in the order of the file")]
    next_after: Annotated[str | None, about("what --after takes for the next page; null: this is the last")]
    looked_at: Annotated[
        LookedAtJobs | None, about("the part of the run that this page has read, where that ended it")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPage:
    """A page of jobs with what is shown beside them.

    `next_after`: the custom_id after which the next page begins. `contents`: request and answer by the id of
    a job, where they are shown.
    """

    run: RunRow
    now_ms: int
    jobs: Sequence[DatabaseRow]
    next_after: str | None
    looked_at: LookedAt | None
    contents: Mapping[int, tuple[bytes, bytes | None]] | None


def job_lines(page: ListedPage) -> list[str]:
    """Return a heading and a line for each job, with its prompt and answer below where they are shown.

    Ids, codes and models are cut where a line would exceed 80 columns; where that is not enough, each job
    takes two lines.
    """
    heading, *jobs = layout.fitted_table([_HEADINGS, *(_cells(job, page.now_ms) for job in page.jobs)], _FIT)
    found = [*heading]
    for job, lines in zip(page.jobs, jobs, strict=True):
        found += lines
        found += [] if page.contents is None else _content_lines(*page.contents[job.id])
    return found


def more_lines(page: ListedPage, command: str) -> list[str]:
    """Return what the page has read, and the command of the next one; [] if this is the last.

    `command`: the one that printed this page, without --after.
    """
    if page.next_after is None:
        return []
    go_on = f"{command} --after={text.shell_word(printed_id(page.next_after))}"
    looked = page.looked_at
    if looked is None:
        return [f"more: {go_on}"]
    unit = page.run.unit
    where = f"{looked.first:,} to {looked.last:,} of {page.run.total:,}"
    return layout.wrapped(f"looked at {unit}s {where}; go on: {go_on}", layout.WIDTH)


def job_list_object(page: ListedPage) -> JobList:
    """Return the object of `jobs --json`."""
    looked = page.looked_at
    return JobList(
        schema=SCHEMA,
        as_of=text.iso(page.now_ms),
        run=page.run.id,
        jobs=[_object(job, page.contents) for job in page.jobs],
        next_after=page.next_after,
        looked_at=None
        if looked is None
        else LookedAtJobs(first=looked.first, last=looked.last, total=page.run.total),
    )


def _object(job: DatabaseRow, contents: Mapping[int, tuple[bytes, bytes | None]] | None) -> ListedJob:
    request: Raw | UnsetType = UNSET
    answer: Raw | UnsetType | None = UNSET
    if contents is not None:
        body, completion = contents[job.id]
        line = None if completion is None else json_line(completion)
        request, answer = Raw(on_one_line(body)), None if line is None else Raw(line)
    return ListedJob(
        id=job.custom_id,
        line=job.line,
        state=job.state,
        error_code=job.error_code,
        flaw=job.flaw,
        model=job.model,
        attempts=job.attempt,
        ticks=int(job.ticks or 0),
        possible_ticks=int(job.possible_ticks or 0),
        due_at=text.iso(job.due_at_ms) if job.due_at_ms and job.finished_at_ms is None else None,
        sent_at=text.iso_or_none(job.sent_at_ms),
        finished_at=text.iso_or_none(job.finished_at_ms),
        request=request,
        answer=answer,
    )


def _cells(job: DatabaseRow, now_ms: int) -> tuple[str, ...]:
    return (
        text_cells.cut(printed_id(job.custom_id), _ID_WIDTH_MAX),
        f"{job.line:,}",
        job.state,
        one_line(job.error_code or "-", _CODE_LENGTH),
        one_line(job.model, _MODEL_LENGTH),
        f"{job.attempt:,}",
        "-" if job.ticks is None else text.dollars(int(job.ticks)),
        text.listed_time(job.finished_at_ms or job.sent_at_ms, now_ms),
    )


def _content_lines(request: bytes, answer: bytes | None) -> list[str]:
    """Return the last message of a request and the answer, each on one line."""
    parts = [("prompt", said) for _, said in conversation.request_parts(request)[-1:]]
    if answer is not None:
        parts += conversation.answer_parts(answer)
    return layout.indented([f"{name:<6}  {_shown_text(said)}" for name, said in parts])


def _shown_text(said: str) -> str:
    return text_cells.cut(one_line(without_surrogates(said), _TEXT_WIDTH), _TEXT_WIDTH)
