"""The shape of a run's summary: OUT.summary.json, `summary --json`, and what other objects share with it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, UnsetType

from runner.rules.json_object import MONEY, JsonObject, Moment, Schema, about
from runner.rules.states import PauseReason, RunState

Jobs = Annotated[int, about("jobs")]


class RunCounts(JsonObject, frozen=True, kw_only=True):
    """Jobs by where they ended."""

    total: Annotated[int, about("jobs of the file")]
    succeeded: Annotated[int, about("in the results file")]
    failed: Annotated[int, about("in the errors file")]
    cancelled: Annotated[int, about("ended by the user")]
    held: Annotated[int, about("waiting for a person to decide; in the errors file, too")]
    unfinished: Annotated[int, about("still on their way")]


class FlawCounts(JsonObject, frozen=True, kw_only=True):
    """Succeeded jobs by flaw, as `chat_completion.Flaw` names them."""

    length: Jobs
    refusal: Jobs
    empty: Jobs


class FailureCounts(JsonObject, frozen=True, kw_only=True):
    """Failures."""

    by_code: Annotated[dict[str, Jobs], about("failed jobs by error code (docs/errors.md)")]


class TokenCounts(JsonObject, frozen=True, kw_only=True):
    """Tokens of answers."""

    prompt: Annotated[int, about("cached ones included")]
    cached: Annotated[int, about("read from the API's cache")]
    completion: Annotated[int, about("visible output")]
    reasoning: Annotated[int, about("thinking, billed as output")]
    total: Annotated[int, about("as the API counts")]


class UnreadCounts(JsonObject, frozen=True, kw_only=True):
    """What the uncertain costs stand for."""

    answers: Annotated[int, about("answers that nobody could read")]
    refused_prompts: Annotated[int, about("refused prompts; xAI may charge a fee (possible)")]
    unavailable: Annotated[int, about("replies of 503 that may hide a paid answer (probable only)")]
    unavailable_ticks: Annotated[int, about("their part of probable_extra_ticks")]


class ModelCost(JsonObject, frozen=True, kw_only=True):
    """What the answers of one model cost."""

    jobs: Annotated[int, about("answers")]
    usd: Annotated[str, about("US dollars")]
    ticks: Annotated[int, about(MONEY)]


class RunCost(JsonObject, frozen=True, kw_only=True):
    """What a run has spent."""

    usd: Annotated[str, about("reported and estimated cost, US dollars with eight places")]
    reported_ticks: Annotated[int, about(f"as the API reported, {MONEY}")]
    estimated_ticks: Annotated[int, about("by the price table, where the API reported nothing")]
    probable_extra_ticks: Annotated[int, about("what answers nobody could read probably cost, beside that")]
    possible_extra_ticks: Annotated[
        int, about("what answers nobody could read may have cost at most, beside that")
    ]
    unread: Annotated[UnreadCounts, about("what these two numbers stand for")]
    unknown_jobs: Annotated[int, about("answers that nobody can price")]
    by_model: Annotated[dict[str, ModelCost], about("by the model that answered")]


class BudgetUse(JsonObject, frozen=True, kw_only=True):
    """A budget and what counts against it."""

    usd: Annotated[str, about("the budget, US dollars")]
    ticks: Annotated[int, about(f"the budget, {MONEY}")]
    used_ticks: Annotated[int, about("spent, possible extras included")]
    reserved_ticks: Annotated[int, about("for answers that are out")]


class ExtraCounts(JsonObject, frozen=True, kw_only=True):
    """Attempts that gave no job its end, by their reason."""

    ambiguous: Annotated[int, about("nobody knows whether they arrived")]
    lost: Annotated[int, about("the answer was gone")]
    unusable: Annotated[int, about("the answer could not be used")]
    generation_failed: Annotated[int, about("the API says so")]
    user_retry: Annotated[int, about("`runner retry`")]
    reask: Annotated[int, about("its answer was invalid; in runs with labels")] | UnsetType = UNSET


class AttemptCounts(JsonObject, frozen=True, kw_only=True):
    """Requests."""

    accepted: Annotated[int, about("by the API")]
    refused_for_now: Annotated[int, about("refused for now: 429, 503")]
    polls: Annotated[int, about("requests for answers")]
    abandoned: Annotated[int, about("answers given up by `cancel --now`")]
    extra: Annotated[
        ExtraCounts,
        about("accepted attempts, or maybe so, that gave no job its end; each has one reason"),
    ]


class LabeledRowCounts(JsonObject, frozen=True, kw_only=True):
    """Rows of a labeled table by their status."""

    total: Annotated[int, about("rows of the table")]
    ok: Annotated[int, about("with labels")]
    invalid: Annotated[int, about("no answer fits the labels")]
    failed: Annotated[int, about("for another cause")]
    held: Annotated[int, about("waiting for a person to decide")]
    cancelled: Annotated[int, about("ended by the user")]
    unfinished: Annotated[int, about("still on their way")]
    skipped: Annotated[int, about("the row has a fault (`--skip-bad`)")]
    excluded: Annotated[int, about("not sent: left out by a condition, a sample or a limit")]


class AskCounts(JsonObject, frozen=True, kw_only=True):
    """How often answers were asked for until they fit the labels."""

    first: Annotated[int, about("jobs whose answers were judged to the end; each was asked once")]
    again: Annotated[int, about("times that one of the jobs was asked again, its answer being invalid")]
    repaired: Annotated[int, about("answers that fit after a repair")]
    given_up: Annotated[int, about("jobs that are invalid after the last ask")]


class RunTiming(JsonObject, frozen=True, kw_only=True):
    """When a run was at work, and how long its answers took."""

    started_at: Annotated[Moment | None, about("first start")]
    finished_at: Annotated[Moment | None, about("end")]
    wall_s: Annotated[float | None, about("between them")]
    latency_p50_s: Annotated[float | None, about("half of the answers came within")]
    latency_p95_s: Annotated[float | None, about("95 % of them")]


class RecodedFile(JsonObject, frozen=True, kw_only=True):
    """Why a labeled CSV or TSV is not in the encoding of its table."""

    encoding: Annotated[str, about("of the file")]
    table_encoding: Annotated[str, about("of the table")]
    cells: Annotated[int, about("added cells with characters that the table's encoding lacks")]


class WrittenFile(JsonObject, frozen=True, kw_only=True):
    """One file that was written."""

    name: Annotated[str, about("its name, in the folder of the summary")]
    sha256: Annotated[str, about("of its bytes on the disk; compressed ones where the name ends with .gz")]
    lines: Annotated[int, about("in it, uncompressed; of a labeled table its rows")]
    bytes: Annotated[int, about("of it on the disk")]
    recoded: (
        Annotated[RecodedFile, about("only of a labeled table whose labels its encoding cannot hold")]
        | UnsetType
    ) = UNSET


class SummaryFiles(JsonObject, frozen=True, kw_only=True):
    """The files of a run; without any key while nothing was written."""

    mark: Annotated[str, about("of this run; every line's id begins with it")] | UnsetType = UNSET
    results: Annotated[WrittenFile, about("one file")] | UnsetType = UNSET
    errors: Annotated[WrittenFile, about("one file")] | UnsetType = UNSET


NO_FILES = SummaryFiles()


class RunNumbers(JsonObject, frozen=True, kw_only=True):
    """What a summary and the present state of a run have in common."""

    schema: Schema
    run: Annotated[int, about("id of the run")]
    name: Annotated[str, about("name of the run")]
    state: Annotated[RunState, about("see docs/states.md")]
    paused_by: Annotated[PauseReason | None, about("why it is paused")]
    counts: Annotated[RunCounts, about("jobs by where they ended; they add up to the total")]
    finish_reasons: Annotated[dict[str, Jobs], about("succeeded jobs by the API's finish_reason")]
    answers: Annotated[FlawCounts, about("succeeded jobs whose answer may not be what was wanted")]
    models_returned: Annotated[
        dict[str, Annotated[int, about("answers")]],
        about('answers of another model than asked for, by "asked -> returned"'),
    ]
    errors: Annotated[FailureCounts, about("failures")]
    examples: Annotated[
        dict[str, Annotated[str, about("custom_id")]],
        about("for an error code or flaw the custom_id of one such job"),
    ]
    tokens: Annotated[TokenCounts, about("of every collected answer")]
    cost: Annotated[RunCost, about("what is spent")]
    budget: Annotated[BudgetUse | None, about("null without --budget")]
    attempts: Annotated[AttemptCounts, about("what was sent")]
    timing: Annotated[RunTiming, about("when, and how long")]
    prices_as_of: Annotated[str, about("date of the price table")]
    rows: (
        Annotated[LabeledRowCounts, about("rows of the labeled table by status; only of runs with labels")]
        | UnsetType
    ) = UNSET
    asks: Annotated[AskCounts, about("asking for labels; only of runs with labels")] | UnsetType = UNSET
    labels: (
        Annotated[
            dict[str, Annotated[dict[str, Jobs], about("jobs by value, as the schema orders them")]],
            about(
                "labels of fields with few values, by field in the order of the schema; a list counts for"
                " each of its values; only of runs with labels"
            ),
        ]
        | UnsetType
    ) = UNSET


class RunSummary(RunNumbers, frozen=True, kw_only=True):
    """A run's summary, and OUT.summary.json."""

    files: Annotated[SummaryFiles, about("what was written; empty while nothing is")]
