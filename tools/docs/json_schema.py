"""docs/json.schema.json: the objects that `--json` prints, as JSON Schema (draft 2020-12).

Keys are only ever added. docs/json.md is made from the same tables; a test validates what every command
prints.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from runner.rules.chat_completion import Flaw
from runner.rules.states import JobState, PauseReason, RunState
from tools.docs.json_types import array, integer, mapping, moment, of, one_of, or_null, record, string

if TYPE_CHECKING:
    from tools.docs.json_types import Shape

_SCHEMA_URL: Final = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = of("number", "")
_SCHEMA = {"schema": of("integer", "version of this shape: 1; keys may be added within it", const=1)}
_RUN = {
    "run": integer("id of the run"),
    "name": string("name of the run"),
    "state": one_of(RunState, "see docs/states.md"),
    "paused_by": or_null(one_of(PauseReason, "why it is paused")),
}
_FILE = record(
    "one file",
    name=string("its name, in the folder of the summary"),
    sha256=string("of its bytes"),
    lines=integer("in it"),
    bytes=integer("in it"),
)
_MONEY = "in ticks: 10^10 are one US dollar"
_SUMMARY_PART = {
    **_RUN,
    "counts": record(
        "jobs by where they ended; they add up to the total",
        total=integer("jobs of the file"),
        succeeded=integer("in the results file"),
        failed=integer("in the errors file"),
        cancelled=integer("ended by the user"),
        held=integer("waiting for a person to decide; in the errors file, too"),
        unfinished=integer("still on their way"),
    ),
    "finish_reasons": mapping("succeeded jobs by the API's finish_reason", integer("jobs")),
    "answers": record(
        "succeeded jobs whose answer may not be what was wanted",
        **{str(flaw): integer("jobs") for flaw in Flaw},
    ),
    "models_returned": mapping(
        'answers of another model than asked for, by "asked -> returned"', integer("answers")
    ),
    "errors": record(
        "failures", by_code=mapping("failed jobs by error code (docs/errors.md)", integer("jobs"))
    ),
    "examples": mapping("for an error code or flaw the custom_id of one such job", string("custom_id")),
    "tokens": record(
        "of every collected answer",
        prompt=integer("cached ones included"),
        cached=integer("read from the API's cache"),
        completion=integer("visible output"),
        reasoning=integer("thinking, billed as output"),
        total=integer("as the API counts"),
    ),
    "cost": record(
        "what is spent",
        usd=string("reported and estimated cost, US dollars with eight places"),
        reported_ticks=integer(f"as the API reported, {_MONEY}"),
        estimated_ticks=integer("by the price table, where the API reported nothing"),
        probable_extra_ticks=integer("what answers nobody could read probably cost, beside that"),
        possible_extra_ticks=integer("what answers nobody could read may have cost at most, beside that"),
        unread=record(
            "what these two numbers stand for",
            answers=integer("answers that nobody could read"),
            refused_prompts=integer("refused prompts; xAI may charge a fee (possible)"),
            unavailable=integer("replies of 503 that may hide a paid answer (probable only)"),
            unavailable_ticks=integer("their part of probable_extra_ticks"),
        ),
        unknown_jobs=integer("answers that nobody can price"),
        by_model=mapping(
            "by the model that answered",
            record("one model", jobs=integer("answers"), usd=string("US dollars"), ticks=integer(_MONEY)),
        ),
    ),
    "budget": or_null(
        record(
            "null without --budget",
            usd=string("the budget, US dollars"),
            ticks=integer(f"the budget, {_MONEY}"),
            used_ticks=integer("spent, possible extras included"),
            reserved_ticks=integer("for answers that are out"),
        )
    ),
    "attempts": record(
        "what was sent",
        accepted=integer("by the API"),
        refused_for_now=integer("refused for now: 429, 503"),
        polls=integer("requests for answers"),
        abandoned=integer("answers given up by `cancel --now`"),
        extra=record(
            "accepted attempts, or maybe so, that gave no job its end; each has one reason",
            ambiguous=integer("nobody knows whether they arrived"),
            lost=integer("the answer was gone"),
            unusable=integer("the answer could not be used"),
            generation_failed=integer("the API says so"),
            user_retry=integer("`runner retry`"),
        ),
    ),
    "timing": record(
        "when, and how long",
        started_at=or_null(moment("first start")),
        finished_at=or_null(moment("end")),
        wall_s=or_null({**_NUMBER, "description": "between them"}),
        latency_p50_s=or_null({**_NUMBER, "description": "half of the answers came within"}),
        latency_p95_s=or_null({**_NUMBER, "description": "95 % of them"}),
    ),
    "prices_as_of": string("date of the price table"),
}
_FILES = {
    "files": of(
        "object",
        "what was written; empty while nothing is",
        properties={
            "mark": string("of this run; every line's id begins with it"),
            "results": _FILE,
            "errors": _FILE,
        },
        additionalProperties=False,
    )
}
_NO_WORKER = or_null(
    record(
        "where the run needs a worker and has none; else null",
        since=moment("when one was last seen, or the run was started"),
        command=string("what gives it one"),
    )
)
_LIVE_PART = {
    "as_of": moment("when these numbers were true"),
    "reason": or_null(string("why it is paused or waits, in words")),
    "states": record("jobs by state (docs/states.md)", **{str(state): integer("jobs") for state in JobState}),
    "done": integer("jobs that have their end, or are held"),
    "out": record(
        "answers that wait at xAI",
        answers=integer("so many"),
        until=or_null(moment("when the oldest can no longer be fetched")),
    ),
    "projected_ticks": or_null(
        integer(f"what the whole run may cost, {_MONEY}; null while that means nothing")
    ),
    "eta_s": or_null(
        record("time to go, by `watch`; null while unknown", low=integer("seconds"), high=integer("seconds"))
    ),
    "workers": or_null(integer("alive on shared servers; null where every run brings its own")),
    "limit": or_null(
        record(
            "the busiest limit within the last minute; null where nobody knows",
            model=string("the limit's model"),
            requests=integer("sent"),
            requests_max=or_null(integer("allowed; null is no limit")),
            tokens=integer("used"),
            tokens_max=or_null(integer("allowed; null is no limit")),
            paused_s={**_NUMBER, "description": "for how long the API asked to wait"},
        )
    ),
    "no_worker": _NO_WORKER,
}
SUMMARY: Final = record("a run's summary, and OUT.summary.json", **_SCHEMA, **_SUMMARY_PART, **_FILES)
LIVE: Final = record("how a run stands right now", **_SCHEMA, **_SUMMARY_PART, **_LIVE_PART)
WOULD: Final = record("with --dry-run", **_SCHEMA, would=string("what would be done"))
_DIAGNOSTIC = record(
    "one fault",
    line=integer("from 1"),
    column=or_null(integer("from 1, in characters")),
    code=string("stable name of the fault (docs/errors.md)"),
    reason=string("what is wrong"),
    fix=string("what to do"),
)
_DIAGNOSTICS = record("faults", total=integer("lines or warnings"), shown=array("the first 20", _DIAGNOSTIC))


def _span(about: str, values: Shape) -> Shape:
    return record(about, low=values, high=values)


_OUTPUT = _span("tokens of the answers", integer("tokens"))
_USD = or_null(_span("US dollars; null where a price is unknown", string("US dollars")))
_SECONDS = _span("seconds", {**_NUMBER, "description": "seconds"})
CHECK: Final = record(
    "what a job file holds, costs and takes",
    **_SCHEMA,
    file=string("as it was named"),
    bytes=integer("read"),
    sha256=string("of these bytes"),
    lines=integer("in the file"),
    jobs=integer("good lines"),
    accepted=of("boolean", "whether `runner run` would take the file"),
    bad=_DIAGNOSTICS,
    warnings=_DIAGNOSTICS,
    tokens=record("estimated", input=integer("tokens of the prompts"), output=_OUTPUT),
    cost=record("of all jobs", usd=_USD, unpriced_jobs=integer("jobs whose model has no price")),
    time=record(
        "at the limits",
        seconds=or_null(_SECONDS),
        model=or_null(string("the model that takes longest")),
        bound_by=or_null(one_of(("requests", "tokens", "nothing"), "what binds")),
    ),
    models=array(
        "by model",
        record(
            "one model",
            model=string("as the lines name it"),
            retired_on=or_null(of("string", "date of its retirement", format="date")),
            answered_by=or_null(string("the model that will answer")),
            jobs=integer("so many"),
            tokens=record("estimated", input=integer("tokens"), output=_OUTPUT),
            usd=_USD,
            limits=record("a minute", rpm=or_null(integer("requests")), tpm=or_null(integer("tokens"))),
            seconds=_SECONDS,
            bound_by=one_of(("requests", "tokens", "nothing"), "what binds"),
        ),
    ),
    assumption=string("where the output tokens come from"),
    prices_as_of=string("date of the price table"),
)
LOAD: Final = record(
    "the loaded run",
    **_SCHEMA,
    run=integer("its id"),
    name=string("its name"),
    total=integer("jobs"),
    created=of("boolean", "false where the file was loaded before"),
    bad=integer("lines skipped by --skip-bad"),
    warnings=integer("so many"),
)
LIST: Final = record(
    "all runs",
    **_SCHEMA,
    as_of=moment("when these numbers were true"),
    runs=array(
        "the newest first",
        record(
            "one run",
            **_RUN,
            stem=string("its name without the occasion"),
            occasion=or_null(string("which time of its file it is")),
            total=integer("jobs"),
            done=integer("with an end, or held"),
            failed=integer("jobs"),
            held=integer("jobs"),
            spent_ticks=integer(_MONEY),
            created_at=moment("loaded"),
            started_at=or_null(moment("first start")),
            finished_at=or_null(moment("end")),
            input=string("path of the job file"),
            output=or_null(string("path of the results file")),
            no_worker=_NO_WORKER,
        ),
    ),
)
_MAYBE_TOKENS = or_null(integer("tokens"))
SHOW: Final = record(
    "the story of one job",
    **_SCHEMA,
    as_of=moment("when this was true"),
    run=integer("id of its run"),
    line=integer("in the job file"),
    custom_id=string("its id in the job file"),
    model=string("asked for"),
    state=one_of(JobState, "see docs/states.md"),
    error_code=or_null(string("why it failed or is held (docs/errors.md)")),
    spent=integer("attempts that count against --max-attempts"),
    extras=integer("attempts that gave it no end"),
    request_id=or_null(string("of the answer that is out")),
    due_at=or_null(moment("when it is sent or asked for next")),
    finished_at=or_null(moment("its end")),
    set_model=or_null(string("the model that `retry --set-model` set; null: that of the line")),
    attempts=array(
        "the oldest first",
        record(
            "one attempt",
            attempt=integer("from 1"),
            lane=string("how it travelled"),
            outcome=string("what became of it"),
            http_status=or_null(integer("of the last reply")),
            error_code=or_null(string("docs/errors.md")),
            error_message=or_null(string("the API's words")),
            request_id=or_null(string("the API's handle")),
            polls=integer("requests for the answer"),
            model=or_null(string("that answered")),
            finish_reason=or_null(string("the API's word")),
            flaw=or_null(one_of(Flaw, "what a good answer lacks")),
            prompt_tokens=_MAYBE_TOKENS,
            cached_tokens=_MAYBE_TOKENS,
            completion_tokens=_MAYBE_TOKENS,
            reasoning_tokens=_MAYBE_TOKENS,
            total_tokens=_MAYBE_TOKENS,
            ticks=or_null(integer(f"cost, {_MONEY}")),
            ticks_source=or_null(one_of(("reported", "estimated", "possible", "unknown"), "of the cost")),
            probable_ticks=or_null(integer("what it probably cost where nobody could read it")),
            possible_ticks=or_null(integer("what it may have cost at most where nobody could read it")),
            prices_as_of=or_null(string("date of the price table, where it was used")),
            marked_at=or_null(moment("put on record, before it was sent")),
            sent_at=or_null(moment("sent")),
            accepted_at=or_null(moment("accepted by the API")),
            collected_at=or_null(moment("its end")),
            client_request_id=string("the header x-client-request-id, for a question to xAI's support"),
        ),
    ),
    unreadable=array(
        "replies to fetches that were no answers, by attempt",
        record(
            "of one attempt",
            attempt=integer("from 1"),
            replies=integer("so many"),
            first_at=moment("the first"),
            last_at=moment("the last"),
            what=string("what the last one was"),
            first_body=string("the beginning of the first, as text"),
            last_body=string("the beginning of the last, as text"),
            last_bytes=integer("of the whole last one"),
        ),
    ),
    request=of("object", "the request body, as it was written"),
    answer={"description": "the answer's body as it came; null where there is none, or it is no JSON"},
)
IDS: Final = record("with --ids", **_SCHEMA, ids=array("custom_ids in input order", string("custom_id")))
_SUMS = {
    "answers": integer("with a known cost"),
    "tokens": integer("as the API counts"),
    "reported_ticks": integer(f"as the API reported, {_MONEY}"),
    "estimated_ticks": integer("by the price table, where the API reported nothing"),
    "ticks": integer("both"),
    "unread": integer("answers that nobody could read, and other attempts that may have cost something"),
    "probable_extra_ticks": integer("what these probably cost, beside that"),
    "possible_extra_ticks": integer("what these may have cost at most, beside that"),
    "usd": string("reported and estimated ticks, US dollars with eight places"),
}
_COST_ROW = record("one group", **_SUMS)
_COST_ROW["properties"] |= {  # those that were added up by
    "run": integer("id of the run"),
    "name": string("name of the run"),
    "model": string("that answered"),
    "day": of("string", "on which the answers came in (UTC)", format="date"),
}
COSTS: Final = record(
    "what was spent",
    **_SCHEMA,
    as_of=moment("when this was true"),
    rows=array("by run, model and day, or by what --by named", _COST_ROW),
    total=record("their sum", **_SUMS),
)
_GONE = record(
    "one run",
    run=integer("its id"),
    name=string("its name"),
    stem=string("its name without the occasion"),
    jobs=integer("it had"),
    answers=integer("it had kept"),
)
RM: Final = record("what was removed", **_SCHEMA, removed=array("one run", _GONE))
PRUNE: Final = record(
    "what was removed",
    **_SCHEMA,
    removed=array("runs", _GONE),
    files=array("deleted from the state folder", string("path")),
    freed_bytes=integer("given back to the disk"),
)
WOULD_PRUNE: Final = record(
    "what `prune --dry-run` found",
    **_SCHEMA,
    would=string("what would be done"),
    runs=array("runs", _GONE),
    files=array("in the state folder", string("path")),
)
DOCTOR: Final = {
    **record(
        "what is set up",
        **_SCHEMA,
        checks=array(
            "in order",
            record(
                "one check",
                name=string("what was looked at"),
                state=one_of(("ok", "warning", "failed"), "how it is"),
                told=string("what was found"),
                fix=string("what to do; empty where nothing"),
            ),
        ),
    )
}
DOCTOR["properties"]["settings"] = array(
    "with --config",
    record(
        "one setting",
        name=string("its name"),
        shown=string("its value; secrets hidden"),
        origin=string("its source"),
    ),
)
UPGRADE: Final = record(
    "the database's schema", **_SCHEMA, revision=string("now"), before=or_null(string("before; null: empty"))
)
SIMULATE: Final = record(
    "when it listens",
    **_SCHEMA,
    url=string("the base URL, for XAI_BASE_URL"),
    seed=integer("of answers, latencies and faults"),
)
WORKER: Final = record(
    "when they are at work",
    **_SCHEMA,
    workers=array("process ids", integer("one worker")),
    beat=of("boolean", "whether one of them rings"),
)
ERROR: Final = record(
    "instead of the object, where a command fails; its exit code says the same",
    **_SCHEMA,
    error=record(
        "what went wrong",
        exit_code=integer("docs/commands.md"),
        what=string("what happened"),
        where=array("where and why, a line each", string("line")),
        fix=string("what to do"),
    ),
)
OF_COMMANDS: Final[dict[str, tuple[Shape, ...]]] = {
    "run": (SUMMARY, LIVE),
    "check": (CHECK,),
    "load": (LOAD,),
    "start": (LIVE,),
    "watch": (LIVE,),
    "write": (SUMMARY,),
    "pause": (LIVE,),
    "resume": (LIVE,),
    "cancel": (LIVE, WOULD),
    "retry": (LIVE, WOULD),
    "rm": (RM, WOULD),
    "prune": (PRUNE, WOULD_PRUNE),
    "status": (LIVE,),
    "list": (LIST,),
    "show": (SHOW,),
    "summary": (SUMMARY, IDS),
    "costs": (COSTS,),
    "doctor": (DOCTOR,),
    "simulate": (SIMULATE,),
    "worker": (WORKER,),
    "db upgrade": (UPGRADE,),
}
TITLES: Final[dict[str, Shape]] = {
    "summary": SUMMARY,
    "live": LIVE,
    "check": CHECK,
    "load": LOAD,
    "list": LIST,
    "show": SHOW,
    "ids": IDS,
    "costs": COSTS,
    "rm": RM,
    "prune": PRUNE,
    "would": WOULD,
    "would_prune": WOULD_PRUNE,
    "doctor": DOCTOR,
    "simulate": SIMULATE,
    "worker": WORKER,
    "upgrade": UPGRADE,
    "error": ERROR,
}


def schema() -> str:
    """Return the text of docs/json.schema.json: one definition a command, and the error that all share."""
    definitions = {
        command: shapes[0] if len(shapes) == 1 else {"anyOf": list(shapes)}
        for command, shapes in OF_COMMANDS.items()
    }
    whole = {"$schema": _SCHEMA_URL, "title": "runner --json", "$defs": {**definitions, "error": ERROR}}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
