"""Reads a few rows of a labeled run to look at: with the cells that its prompts use, or with the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.render.checks.sample_object import SampledTableRow, TableSample
from runner.cli.render.jobs.conversation import request_parts
from runner.db.answers import results
from runner.db.jobs.row_jobs import jobs_of_rows
from runner.output.labeling import labeling_of
from runner.output.sampled_rows import Choice, Sample, sampled_jobs, sampled_table
from runner.rules.errors import UsageError
from runner.rules.json_object import SCHEMA
from runner.rules.json_text.answer_json import without_surrogates
from runner.rules.labels.row_filter import row_filter
from runner.rules.labels.row_status import RowStatus
from runner.rules.states import RunState
from runner.tables.cell_text import cell_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from runner.db.jobs.row_jobs import KnownJob
    from runner.db.runs.run_row import RunRow
    from runner.output.labeling import Labeling
    from runner.output.sampled_rows import SampledRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFlags:
    """What a person asks for. `input_path`: where the table is now, None for where it was."""

    size: int
    seed: int
    labels: tuple[str, ...]
    status: str | None
    input_path: Path | None


def read_sample(connection: Connection, run: RunRow, flags: SampleFlags) -> tuple[TableSample, str]:
    """Return the rows, and a note: why they have prompts and no cells, or "".

    Raises UsageError for a run without labels, for a label or status that no row can have, and where a table
    that was named is not that of the run.
    """
    labeling = _labeling(run)
    wanted = row_filter(labeling.fields, flags.labels, flags.status, prefix=labeling.prefix)
    choice = Choice(size=flags.size, seed=flags.seed, filter=wanted)
    found, note = _sample(connection, run, labeling, choice, flags.input_path)
    jobs = jobs_of_rows(connection, run.id, [row.number for row in found.rows])
    prompts = _prompts(connection, jobs)
    columns = _columns(found.columns, labeling.prompt_columns)
    sample = TableSample(
        schema=SCHEMA,
        run=run.id,
        name=run.name,
        seed=flags.seed,
        matching=found.matching,
        rows=[_row(row, labeling, found, columns, jobs, prompts) for row in found.rows],
    )
    return sample, note


def chosen_rows(flags: SampleFlags) -> str:
    """Return in words which rows the flags choose: "rows", "rows with sentiment=negative"."""
    parts = [f"with {' and '.join(flags.labels)}"] if flags.labels else []
    parts += [f"that are {flags.status.lower()}"] if flags.status else []
    return " ".join(["rows", *parts])


def _labeling(run: RunRow) -> Labeling:
    if run.recipe is None:
        fix = f"runner show {run.id} ID shows one job, runner write {run.id} writes all results"
        raise UsageError(f"run {run.id} has no labels: it is no run of runner label", fix=fix)
    if run.state is RunState.LOADING:
        raise UsageError(f"run {run.id} is still being loaded", fix="load its table again")
    return labeling_of(run.recipe)


def _sample(
    connection: Connection, run: RunRow, labeling: Labeling, choice: Choice, given: Path | None
) -> tuple[Sample, str]:
    """Return rows of the table; without it those that the database knows, and a note."""
    try:
        return sampled_table(connection, run, labeling, given or Path(run.input_path), choice), ""
    except UsageError as error:
        if given is not None:
            fix = f"name the table as it was when it was loaded, or leave out --input: runner sample {run.id}"
            raise UsageError(error.what, where=error.where, fix=fix) from error
        note = f"{error.what}; shown are the prompts of its rows (or runner sample {run.id} --input PATH)"
        return sampled_jobs(connection, run, labeling, choice), note


def _prompts(connection: Connection, jobs: Mapping[int, KnownJob]) -> dict[int, str]:
    """Return the last user message of the job of each row, as it was loaded."""
    bodies = results.loaded_bodies(connection, [job.job_id for job in jobs.values()])
    return {number: _last_user_text(bodies[job.job_id][0]) for number, job in jobs.items()}


def _last_user_text(body: bytes) -> str:
    texts = [text for role, text in request_parts(body) if role == "user"]
    return texts[-1] if texts else ""


def _columns(columns: Sequence[str], in_prompts: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the columns to show: all of them where a prompt reads none."""
    shown = tuple(place for place, name in enumerate(columns) if name in in_prompts)
    return shown or tuple(range(len(columns)))


def _row(
    row: SampledRow,
    labeling: Labeling,
    found: Sample,
    columns: tuple[int, ...],
    jobs: Mapping[int, KnownJob],
    prompts: Mapping[int, str],
) -> SampledTableRow:
    job = jobs.get(row.number)
    is_ok = row.status == RowStatus.OK
    names = [field.name for field in labeling.fields]
    cells = {found.columns[place]: without_surrogates(cell_text(row.cells[place])) for place in columns}
    return SampledTableRow(
        row=row.number,
        custom_id=None if job is None else job.custom_id,
        status=RowStatus(row.status),
        error=row.error,
        labels=dict(zip(names, row.labels, strict=True)) if is_ok else None,
        cells=cells if found.columns else None,
        prompt=None if found.columns else without_surrogates(prompts.get(row.number, "")),
    )
