"""The objects that `--json` prints, as JSON Schema (draft 2020-12). Keys are only ever added.

docs/json.md and docs/json.schema.json are made from this table; a test holds what every command prints
against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.completion import Flaw
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Iterable

Shape = dict[str, Any]


def _of(kind: str, about: str, **more: Any) -> Shape:
    return {"type": kind, "description": about, **more}


def _int(about: str) -> Shape:
    return _of("integer", about)


def _text(about: str) -> Shape:
    return _of("string", about)


def _time(about: str) -> Shape:
    return _of("string", f"{about} (UTC, ISO 8601)", format="date-time")


def _or_null(shape: Shape) -> Shape:
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    values = {"enum": [*shape["enum"], None]} if "enum" in shape else {}
    return {**shape, **values, "type": [*kinds, "null"]}


def _one_of(words: Iterable[str], about: str) -> Shape:
    return _of("string", about, enum=[str(word) for word in words])


def _object(about: str, /, **keys: Shape) -> Shape:
    return _of("object", about, properties=keys, required=list(keys), additionalProperties=False)


def _map(about: str, values: Shape) -> Shape:
    return _of("object", about, additionalProperties=values)


def _list(about: str, items: Shape) -> Shape:
    return _of("array", about, items=items)


_NUMBER = _of("number", "")
_SCHEMA = {"schema": _of("integer", "version of this shape: 1; keys may be added within it", const=1)}
_RUN = {
    "run": _int("id of the run"),
    "name": _text("name of the run"),
    "state": _one_of(RunState, "see docs/states.md"),
    "paused_by": _or_null(_one_of(PauseReason, "why it is paused")),
}
_FILE = _object(
    "one file",
    name=_text("its name, in the folder of the summary"),
    sha256=_text("of its bytes"),
    lines=_int("in it"),
    bytes=_int("in it"),
)
_MONEY = "in ticks: 10^10 are one US dollar"
_SUMMARY_PART = {
    **_RUN,
    "counts": _object(
        "jobs by where they ended; they add up to the total",
        total=_int("jobs of the file"),
        succeeded=_int("in the results file"),
        failed=_int("in the errors file"),
        cancelled=_int("ended by the user"),
        held=_int("waiting for a person to decide; in the errors file, too"),
        unfinished=_int("still on their way"),
    ),
    "finish_reasons": _map("succeeded jobs by the API's finish_reason", _int("jobs")),
    "answers": _object(
        "succeeded jobs whose answer may not be what was wanted",
        **{str(flaw): _int("jobs") for flaw in Flaw},
    ),
    "models_returned": _map(
        'answers of another model than asked for, by "asked -> returned"', _int("answers")
    ),
    "errors": _object("failures", by_code=_map("failed jobs by error code (docs/errors.md)", _int("jobs"))),
    "examples": _map("for an error code or flaw the custom_id of one such job", _text("custom_id")),
    "tokens": _object(
        "of every collected answer",
        prompt=_int("cached ones included"),
        cached=_int("read from the API's cache"),
        completion=_int("visible output"),
        reasoning=_int("thinking, billed as output"),
        total=_int("as the API counts"),
    ),
    "cost": _object(
        "what is spent",
        usd=_text("reported and estimated cost, US dollars with eight places"),
        reported_ticks=_int(f"as the API told, {_MONEY}"),
        estimated_ticks=_int("by the price table, where the API told nothing"),
        possible_extra_ticks=_int("what answers nobody could read may have cost at most, beside that"),
        unknown_jobs=_int("answers that nobody can price"),
        by_model=_map(
            "by the model that answered",
            _object("one model", jobs=_int("answers"), usd=_text("US dollars"), ticks=_int(_MONEY)),
        ),
    ),
    "budget": _or_null(
        _object(
            "null without --budget",
            usd=_text("the budget, US dollars"),
            ticks=_int(f"the budget, {_MONEY}"),
            used_ticks=_int("spent, possible extras included"),
            reserved_ticks=_int("for answers that are out"),
        )
    ),
    "attempts": _object(
        "what was sent",
        accepted=_int("by the API"),
        refused_for_now=_int("told to come later: 429, 503"),
        polls=_int("requests for answers"),
        abandoned=_int("answers given up by `cancel --now`"),
        extra=_object(
            "accepted attempts, or maybe so, that gave no job its end; each has one reason",
            ambiguous=_int("nobody knows whether they arrived"),
            lost=_int("the answer was gone"),
            unusable=_int("the answer could not be used"),
            generation_failed=_int("the API says so"),
            user_retry=_int("`runner retry`"),
        ),
    ),
    "timing": _object(
        "when, and how long",
        started_at=_or_null(_time("first start")),
        finished_at=_or_null(_time("end")),
        wall_s=_or_null({**_NUMBER, "description": "between them"}),
        latency_p50_s=_or_null({**_NUMBER, "description": "half of the answers came within"}),
        latency_p95_s=_or_null({**_NUMBER, "description": "95 % of them"}),
    ),
    "prices_as_of": _text("date of the price table"),
}
_FILES = {
    "files": _of(
        "object",
        "what was written; empty while nothing is",
        properties={
            "mark": _text("of this run; every line's id begins with it"),
            "results": _FILE,
            "errors": _FILE,
        },
        additionalProperties=False,
    )
}
_LIVE_PART = {
    "as_of": _time("when these numbers were true"),
    "reason": _or_null(_text("why it is paused or waits, in words")),
    "states": _object("jobs by state (docs/states.md)", **{str(state): _int("jobs") for state in JobState}),
    "done": _int("jobs that have their end, or are held"),
    "out": _object(
        "answers that wait at xAI",
        answers=_int("so many"),
        until=_or_null(_time("when the oldest can no longer be fetched")),
    ),
    "projected_ticks": _or_null(
        _int(f"what the whole run may cost, {_MONEY}; null while that means nothing")
    ),
    "eta_s": _or_null(
        _object("time to go, by `watch` only; null while unknown", low=_int("seconds"), high=_int("seconds"))
    ),
    "limit": _or_null(
        _object(
            "the busiest limit within the last minute; null where nobody knows",
            model=_text("the limit's model"),
            requests=_int("sent"),
            requests_max=_or_null(_int("allowed; null is no limit")),
            tokens=_int("used"),
            tokens_max=_or_null(_int("allowed; null is no limit")),
            paused_s={**_NUMBER, "description": "for how long the API asked to wait"},
        )
    ),
}
SUMMARY: Final = _object("a run's summary, and OUT.summary.json", **_SCHEMA, **_SUMMARY_PART, **_FILES)
LIVE: Final = _object("how a run stands right now", **_SCHEMA, **_SUMMARY_PART, **_LIVE_PART)
WOULD: Final = _object("with --dry-run", **_SCHEMA, would=_text("what would be done"))
_FINDING = _object(
    "one fault",
    line=_int("from 1"),
    column=_or_null(_int("from 1, in characters")),
    code=_text("stable name of the fault (docs/errors.md)"),
    reason=_text("what is wrong"),
    fix=_text("what to do"),
)
_FINDINGS = _object("faults", total=_int("lines or warnings"), shown=_list("the first 20", _FINDING))


def _span(about: str, values: Shape) -> Shape:
    return _object(about, low=values, high=values)


_OUTPUT = _span("tokens of the answers", _int("tokens"))
_USD = _or_null(_span("US dollars; null where a price is unknown", _text("US dollars")))
_SECONDS = _span("seconds", {**_NUMBER, "description": "seconds"})
CHECK: Final = _object(
    "what a job file holds, costs and takes",
    **_SCHEMA,
    file=_text("as it was named"),
    bytes=_int("read"),
    sha256=_text("of these bytes"),
    lines=_int("in the file"),
    jobs=_int("good lines"),
    accepted=_of("boolean", "whether `runner run` would take the file"),
    bad=_FINDINGS,
    warnings=_FINDINGS,
    tokens=_object("estimated", input=_int("tokens of the prompts"), output=_OUTPUT),
    cost=_object("of all jobs", usd=_USD, unpriced_jobs=_int("jobs whose model has no price")),
    time=_object(
        "at the limits",
        seconds=_or_null(_SECONDS),
        model=_or_null(_text("the model that takes longest")),
        bound_by=_or_null(_one_of(("requests", "tokens", "nothing"), "what binds")),
    ),
    models=_list(
        "by model",
        _object(
            "one model",
            model=_text("as the lines name it"),
            retired_on=_or_null(_of("string", "date of its retirement", format="date")),
            answered_by=_or_null(_text("the model that will answer")),
            jobs=_int("so many"),
            tokens=_object("estimated", input=_int("tokens"), output=_OUTPUT),
            usd=_USD,
            limits=_object("a minute", rpm=_or_null(_int("requests")), tpm=_or_null(_int("tokens"))),
            seconds=_SECONDS,
            bound_by=_one_of(("requests", "tokens", "nothing"), "what binds"),
        ),
    ),
    assumption=_text("where the output tokens come from"),
    prices_as_of=_text("date of the price table"),
)
LOAD: Final = _object(
    "the loaded run",
    **_SCHEMA,
    run=_int("its id"),
    total=_int("jobs"),
    created=_of("boolean", "false where the file was loaded before"),
    bad=_int("lines skipped by --skip-bad"),
    warnings=_int("so many"),
)
LIST: Final = _object(
    "all runs",
    **_SCHEMA,
    as_of=_time("when these numbers were true"),
    runs=_list(
        "the newest first",
        _object(
            "one run",
            **_RUN,
            total=_int("jobs"),
            done=_int("with an end, or held"),
            failed=_int("jobs"),
            held=_int("jobs"),
            spent_ticks=_int(_MONEY),
            created_at=_time("loaded"),
            started_at=_or_null(_time("first start")),
            finished_at=_or_null(_time("end")),
            input=_text("path of the job file"),
            output=_or_null(_text("path of the results file")),
        ),
    ),
)
_MAYBE_TOKENS = _or_null(_int("tokens"))
SHOW: Final = _object(
    "the story of one job",
    **_SCHEMA,
    as_of=_time("when this was true"),
    run=_int("id of its run"),
    line=_int("in the job file"),
    custom_id=_text("its id in the job file"),
    model=_text("asked for"),
    state=_one_of(JobState, "see docs/states.md"),
    error_code=_or_null(_text("why it failed or is held (docs/errors.md)")),
    spent=_int("attempts that count against --max-attempts"),
    extras=_int("attempts that gave it no end"),
    request_id=_or_null(_text("of the answer that is out")),
    due_at=_or_null(_time("when it is sent or asked for next")),
    finished_at=_or_null(_time("its end")),
    attempts=_list(
        "the oldest first",
        _object(
            "one attempt",
            attempt=_int("from 1"),
            lane=_text("how it travelled"),
            outcome=_text("what became of it"),
            http_status=_or_null(_int("of the last reply")),
            error_code=_or_null(_text("docs/errors.md")),
            error_message=_or_null(_text("the API's words")),
            request_id=_or_null(_text("the API's handle")),
            polls=_int("requests for the answer"),
            model=_or_null(_text("that answered")),
            finish_reason=_or_null(_text("the API's word")),
            flaw=_or_null(_one_of(Flaw, "what a good answer lacks")),
            prompt_tokens=_MAYBE_TOKENS,
            cached_tokens=_MAYBE_TOKENS,
            completion_tokens=_MAYBE_TOKENS,
            reasoning_tokens=_MAYBE_TOKENS,
            total_tokens=_MAYBE_TOKENS,
            ticks=_or_null(_int(f"cost, {_MONEY}")),
            ticks_source=_or_null(_one_of(("reported", "estimated", "possible", "unknown"), "of the cost")),
            possible_ticks=_or_null(_int("what it may have cost where nobody could read it")),
            prices_as_of=_or_null(_text("date of the price table, where it was used")),
            marked_at=_or_null(_time("put on record, before it was sent")),
            sent_at=_or_null(_time("sent")),
            accepted_at=_or_null(_time("accepted by the API")),
            collected_at=_or_null(_time("its end")),
        ),
    ),
    request=_of("object", "the request body, as it was written"),
    answer={"description": "the answer's body as it came; null where there is none, or it is no JSON"},
)
IDS: Final = _object("with --ids", **_SCHEMA, ids=_list("custom_ids in input order", _text("custom_id")))
_GONE = _object(
    "one run", run=_int("its id"), name=_text("its name"), jobs=_int("it had"), answers=_int("it had kept")
)
RM: Final = _object("what was removed", **_SCHEMA, removed=_list("one run", _GONE))
PRUNE: Final = _object(
    "what was removed",
    **_SCHEMA,
    removed=_list("runs", _GONE),
    files=_list("deleted from the state folder", _text("path")),
    freed_bytes=_int("given back to the disk"),
)
DOCTOR: Final = {
    **_object(
        "what is set up",
        **_SCHEMA,
        checks=_list(
            "in order",
            _object(
                "one check",
                name=_text("what was looked at"),
                state=_one_of(("ok", "warning", "failed"), "how it is"),
                told=_text("what was found"),
                fix=_text("what to do; empty where nothing"),
            ),
        ),
    )
}
DOCTOR["properties"]["settings"] = _list(
    "with --config",
    _object(
        "one setting",
        name=_text("its name"),
        shown=_text("its value; secrets hidden"),
        origin=_text("its source"),
    ),
)
UPGRADE: Final = _object(
    "the database's schema", **_SCHEMA, revision=_text("now"), before=_or_null(_text("before; null: empty"))
)
ERROR: Final = _object(
    "instead of the object, where a command fails; its exit code tells the same",
    **_SCHEMA,
    error=_object(
        "what went wrong",
        exit_code=_int("docs/commands.md"),
        what=_text("what happened"),
        where=_list("where and why, a line each", _text("line")),
        fix=_text("what to do"),
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
    "prune": (PRUNE, WOULD),
    "status": (LIVE,),
    "list": (LIST,),
    "show": (SHOW,),
    "summary": (SUMMARY, IDS),
    "doctor": (DOCTOR,),
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
    "rm": RM,
    "prune": PRUNE,
    "would": WOULD,
    "doctor": DOCTOR,
    "upgrade": UPGRADE,
    "error": ERROR,
}
