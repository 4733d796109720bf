"""Settling: every kind of answer gets its event, its target, its cost; no bytes make it raise."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_driver import NOW_MS, new_run

from runner.db.moves import result_moves
from runner.db.runs.run_row import RunOptions
from runner.engine.collecting.settle import Policy, StoredAnswer, fail_unreadable, settle
from runner.engine.runs import cost_bounds
from runner.rules.replies.chat_completion import Flaw
from runner.rules.states import TRANSITIONS, Event, JobState

if TYPE_CHECKING:
    from runner.db.session import Database

S = JobState
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 10,
    "total_tokens": 115,
    "prompt_tokens_details": {"cached_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
MESSAGE = {"role": "assistant", "content": "yes"}
GOOD: dict[str, Any] = {
    "model": "grok-4.3",
    "choices": [{"message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}
FAILED = {"error": "Deferred chat completion generation failed."}


SCHEMA = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["good", "bad"]},
        "stars": {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 5}, {"type": "null"}]},
        "note": {"type": "string"},
    },
    "required": ["sentiment"],
    "additionalProperties": False,
}
LABELED = Policy.of(RunOptions(), cost_bounds.TABLE_PRICES, json.dumps({"schema": SCHEMA}))


def saying(content: str | None, **message: Any) -> bytes:
    """Return a good answer with this text."""
    said = {"message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    return orjson.dumps(GOOD | {"choices": [said]})


def subject(job_id: int = 1, *, spent: int = 0, extras: int = 0, asks: int = 0) -> StoredAnswer:
    return StoredAnswer(
        job_id=job_id,
        attempt=1,
        model="grok-4.3",
        prompt_tokens=100,
        output_tokens_max=None,
        spent=spent,
        extras=extras,
        accepted_at_ms=NOW_MS - 2_000,
        asks=asks,
    )


@pytest.mark.parametrize(
    ("body", "event", "code"),
    [
        (orjson.dumps(GOOD), Event.SUCCEEDED, None),
        (b"<html>oops</html>", Event.UNUSABLE, "not-json"),
        (b"[1]", Event.UNUSABLE, "not-json"),
        (b"", Event.UNUSABLE, "not-json"),
        (b'{"choices": []}', Event.UNUSABLE, "no-choices"),
        (b'{"error": "overloaded"}', Event.UNUSABLE, "error-inside"),
    ],
)
def test_each_kind_of_answer_has_its_event(body: bytes, event: Event, code: str | None) -> None:
    """A usable answer succeeds; the others say why not, and go again while they may."""
    found = settle(subject(), body, policy=Policy(), now_ms=NOW_MS)

    assert found.event is event
    assert found.target is (S.SUCCEEDED if event is Event.SUCCEEDED else S.PENDING)
    assert (found.cause.code if found.cause else None) == code
    assert (found.job_id, found.attempt, found.at_ms) == (1, 1, NOW_MS)


def test_a_good_answer_is_priced_by_what_it_used() -> None:
    """Tokens of each sort, and the ticks that the API reported, or the table's."""
    reported = GOOD | {"usage": USAGE | {"cost_in_usd_ticks": 12_345}}

    by_table = settle(subject(), orjson.dumps(GOOD), policy=Policy(), now_ms=NOW_MS).cost
    by_api = settle(subject(), orjson.dumps(reported), policy=Policy(), now_ms=NOW_MS).cost

    assert (by_api.ticks, by_api.ticks_source) == (12_345, "reported")
    assert by_table.ticks_source == "estimated"
    assert by_table.ticks
    assert by_table.prices_as_of
    tokens = (by_table.prompt_tokens, by_table.cached_tokens, by_table.completion_tokens)
    assert (*tokens, by_table.reasoning_tokens, by_table.total_tokens) == (100, 40, 10, 5, 115)


def test_an_answer_of_another_model_is_a_success_priced_by_it_and_counted(database: Database) -> None:
    """The user asked for one model and got another: no failure, but never in silence."""
    driver = new_run(database, 2)
    for body in (GOOD | {"model": "grok-4.6"}, GOOD | {"model": "grok-4.3-latest"}):
        lease = driver.bring(S.STORED)
        classification = settle(subject(lease.job_id), orjson.dumps(body), policy=Policy(), now_ms=NOW_MS)
        assert classification.target is S.SUCCEEDED
        assert driver.apply(result_moves.settled, classification) == {lease.job_id}

    told = driver.counts()
    assert {key: n for (kind, key), n in told.items() if kind == "returned"} == {"grok-4.3 -> grok-4.6": 1}
    of_other = settle(subject(), orjson.dumps(GOOD | {"model": "grok-4.6"}), policy=Policy(), now_ms=NOW_MS)
    of_asked = settle(subject(), orjson.dumps(GOOD), policy=Policy(), now_ms=NOW_MS)
    assert of_other.cost.ticks != of_asked.cost.ticks


def test_the_last_attempt_of_an_unusable_answer_fails_and_extras_are_capped() -> None:
    """5 attempts by default; after two automatic extras a person decides."""
    last = settle(subject(spent=4), b"x", policy=Policy(), now_ms=NOW_MS)
    third = settle(subject(extras=2), b"x", policy=Policy(), now_ms=NOW_MS)

    assert (last.target, third.target) == (S.FAILED, S.HELD)


def test_a_generation_that_failed_goes_again_or_fails() -> None:
    """The API has said how it ended: no person is needed."""
    body = orjson.dumps(FAILED)

    assert settle(subject(), body, policy=Policy(), now_ms=NOW_MS).event is Event.GENERATION_FAILED
    assert settle(subject(extras=2), body, policy=Policy(), now_ms=NOW_MS).target is S.FAILED


def test_an_answer_kept_back_for_safety_is_not_bought_again() -> None:
    """The same prompt would be refused again, and each try may be charged."""
    body = orjson.dumps({"code": "permission-denied", "error": "Content violates usage guidelines."})

    found = settle(subject(), body, policy=Policy(), now_ms=NOW_MS)

    assert (found.event, found.target) == (Event.GENERATION_FAILED, S.FAILED)
    assert found.cause is not None
    assert found.cause.code == "safety"


def test_an_answer_nobody_can_read_fails_with_its_bytes_kept() -> None:
    """Three tries, then an end: its own code, and a bound of what it cost."""
    found = fail_unreadable(subject(), policy=Policy(), now_ms=NOW_MS)

    assert (found.event, found.target) == (Event.UNUSABLE, S.FAILED)
    assert found.cause is not None
    assert found.cause.code == "unreadable_result"
    assert found.cost.ticks is None
    assert found.cost.uncertain


def test_what_an_unreadable_answer_cost_is_bounded() -> None:
    """Garbage was generated and billed; an answer that tells its usage needs no bound, priced or not."""
    garbage = settle(subject(), b"<html>", policy=Policy(), now_ms=NOW_MS).cost
    strange = settle(
        replace(subject(), model="no-such-model"), b"<html>", policy=Policy(), now_ms=NOW_MS
    ).cost
    unpriced = settle(
        subject(), orjson.dumps(GOOD | {"model": "no-such-model"}), policy=Policy(), now_ms=NOW_MS
    ).cost

    assert garbage.ticks is None
    assert garbage.uncertain
    assert strange.uncertain is None
    assert (unpriced.ticks, unpriced.uncertain, unpriced.total_tokens) == (None, None, 115)


def test_a_day_is_that_of_the_acceptance() -> None:
    """An answer that was out over a retirement costs what the model cost when it was asked."""
    day = int(datetime(2026, 5, 14, 23, 59, 59, tzinfo=UTC).timestamp() * 1000)
    late = replace(subject(), accepted_at_ms=day)
    body = orjson.dumps(GOOD | {"model": "grok-4-0709"})

    then = settle(late, body, policy=Policy(), now_ms=day + 5_000).cost.ticks
    now = settle(replace(late, accepted_at_ms=day + 5_000), body, policy=Policy(), now_ms=day + 5_000).cost

    assert then == 60 * 30_000 + 40 * 7_500 + 15 * 150_000
    assert now.ticks == 60 * 12_500 + 40 * 2_000 + 15 * 25_000


WORDS = st.text(max_size=120) | st.none() | st.integers()
ODD = st.fixed_dictionaries(
    {},
    optional={
        "model": WORDS,
        "choices": st.just([{"message": MESSAGE, "finish_reason": "x" * 90}]) | st.lists(st.none()),
        "usage": st.dictionaries(st.sampled_from([*USAGE, "cost_in_usd_ticks"]), st.integers(-5, 2**70)),
        "error": WORDS,
    },
)


@given(body=st.binary(max_size=200) | ODD.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    """Whatever a server sends, the classification is one of the table's moves."""
    found = settle(subject(), body, policy=Policy(), now_ms=NOW_MS)

    assert found.target in TRANSITIONS[found.event].targets
    assert S.STORED in TRANSITIONS[found.event].sources


@pytest.mark.parametrize(
    "odd", ["nul\0inside", "x" * 100, "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") * 40]
)
def test_odd_words_of_the_api_can_be_written(database: Database, odd: str) -> None:
    """A finish_reason or a model of any length, with a NUL: PostgreSQL must not refuse the classification."""
    driver = new_run(database, 1)
    lease = driver.bring(S.STORED)
    choices = [{"message": MESSAGE, "finish_reason": odd[:100]}]
    body = orjson.dumps(GOOD | {"model": odd[:100], "choices": choices})

    classification = settle(subject(lease.job_id), body, policy=Policy(), now_ms=NOW_MS)

    assert driver.apply(result_moves.settled, classification) == {lease.job_id}
    assert driver.state(lease.job_id) is S.SUCCEEDED


@pytest.mark.parametrize(
    ("choice", "flaw"),
    [
        ({"message": MESSAGE, "finish_reason": "length"}, "length"),
        ({"message": MESSAGE | {"refusal": "No."}, "finish_reason": "stop"}, "refusal"),
        ({"message": {"content": ""}, "finish_reason": "stop"}, "empty"),
    ],
)
def test_what_an_answer_lacks_fails_its_job_only_where_that_is_asked_for(
    choice: dict[str, Any], flaw: str
) -> None:
    """It costs the same either way, is no extra, and is not sent again by itself."""
    body = orjson.dumps(GOOD | {"choices": [choice]})

    kept = settle(subject(), body, policy=Policy(), now_ms=NOW_MS)
    failed = settle(subject(), body, policy=Policy(fail_on=frozenset(Flaw)), now_ms=NOW_MS)
    others = frozenset(Flaw) - {Flaw(flaw)}
    spared = settle(subject(), body, policy=Policy(fail_on=others), now_ms=NOW_MS)

    assert (kept.event, kept.target, kept.cause) == (Event.SUCCEEDED, S.SUCCEEDED, None)
    assert (failed.event, failed.target) == (Event.UNUSABLE, S.FAILED)
    assert failed.cause is not None
    assert failed.cause.code == flaw
    assert failed.cost == kept.cost
    assert failed.cost.flaw == flaw
    assert spared == kept


def test_an_answer_that_fits_its_labels_succeeds_with_what_is_counted() -> None:
    """Values of a schema only: a free text is no counter."""
    found = settle(
        subject(), saying('{"sentiment": "good", "stars": 3.0, "note": "x"}'), policy=LABELED, now_ms=NOW_MS
    )

    assert (found.event, found.target, found.cause) == (Event.SUCCEEDED, S.SUCCEEDED, None)
    assert found.label_check is not None
    assert found.label_check.labels == ("sentiment=good", "stars=3")
    assert found.label_check.repair is None


def test_a_repair_is_counted_and_can_be_switched_off() -> None:
    """A fence around the object is no fault of the labels."""
    body = saying('```json\n{"sentiment": "bad"}\n```')
    strict = replace(LABELED, recipe=json.dumps({"schema": SCHEMA, "ask": {"repair": False}}))

    found = settle(subject(), body, policy=LABELED, now_ms=NOW_MS)

    assert found.label_check is not None
    assert (found.label_check.repair, found.label_check.labels) == ("fence", ("sentiment=bad", "stars=null"))
    assert settle(subject(), body, policy=strict, now_ms=NOW_MS).event is Event.INVALID


@pytest.mark.parametrize(
    ("asks", "ask", "target"),
    [(0, {}, S.PENDING), (1, {}, S.PENDING), (2, {}, S.FAILED), (0, {"reask": 0}, S.FAILED)],
)
def test_an_invalid_answer_is_asked_for_again_as_often_as_the_recipe_says(
    asks: int, ask: dict[str, int], target: JobState
) -> None:
    """Its cost is that of any answer; its fault is what the next request and a person read."""
    policy = replace(LABELED, recipe=json.dumps({"schema": SCHEMA, "ask": ask}))

    found = settle(subject(asks=asks), saying('{"sentiment": "so-so"}'), policy=policy, now_ms=NOW_MS)

    assert (found.event, found.target) == (Event.INVALID, target)
    assert found.cause is not None
    assert found.cause.code == "invalid"
    assert "sentiment" in found.cause.message
    assert found.label_check is not None
    assert (found.label_check.is_first, found.label_check.asks_max) == (asks == 0, ask.get("reask", 2))
    assert found.label_check.ask_tokens > 0
    assert found.cost == settle(subject(), saying("yes"), policy=Policy(), now_ms=NOW_MS).cost


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (saying("{", refusal="No."), "refusal"),
        (saying(None), "empty"),
        (saying("{").replace(b'"stop"', b'"length"'), "length"),
    ],
)
def test_an_answer_that_was_cut_refused_or_empty_is_not_asked_for_again(body: bytes, code: str) -> None:
    """An error text does not make it whole, and each would be paid."""
    found = settle(subject(), body, policy=LABELED, now_ms=NOW_MS)

    assert (found.event, found.target) == (Event.UNUSABLE, S.FAILED)
    assert found.cause is not None
    assert found.cause.code == code
    assert found.label_check is None


def test_an_answer_without_use_is_treated_as_in_any_run() -> None:
    """It is no answer that could be judged."""
    for body in (b"<html>", orjson.dumps(FAILED)):
        labeled = settle(subject(), body, policy=LABELED, now_ms=NOW_MS)
        assert labeled == settle(subject(), body, policy=Policy(), now_ms=NOW_MS)


def test_a_recipe_that_makes_no_contract_fails_each_answer_by_itself() -> None:
    """The caller keeps such an answer; no policy of another run is touched."""
    with pytest.raises(KeyError):
        settle(subject(), saying("{}"), policy=replace(LABELED, recipe="{}"), now_ms=NOW_MS)
