"""The database tables. `jobs` is narrow and hot; request bodies and results have tables of their own.

Times are whole milliseconds since 1970 UTC (`_ms`), money is ticks (1 USD = 10^10). Hot tables have no
foreign keys: their rows are written and removed by run, and a check for each row would cost too much.
The tables of evaluations (`eval_`) outlive the runs: scores stay when answers are removed.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from runner.rules.states import FINAL, JobState, RunState

# On SQLite only a column of type INTEGER is the row id itself; any other key needs an index of its own.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


def _listed(words: object) -> str:
    return ", ".join(f"'{word}'" for word in sorted(str(w) for w in words))  # type: ignore[attr-defined]


class Base(DeclarativeBase):
    """The base of all tables; it names every constraint, so that migrations can refer to it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Run(Base):
    """One loading of a job file with its settings.

    `recipe` is what a table was labeled by, as canonical JSON; it never changes. `needs` has the words of
    `rules.needs` that a worker must know to work on the run, with spaces between them.
    """

    __tablename__ = "runs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(RunState)})", name="state"),
        UniqueConstraint("identity", "repetition"),
        {"sqlite_autoincrement": True},  # the id of a run that was removed never names another one
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    identity: Mapped[str] = mapped_column(String(64))
    repetition: Mapped[int] = mapped_column(Integer, default=0)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    pause_reason: Mapped[str | None] = mapped_column(String(16))
    pause_text: Mapped[str | None] = mapped_column(Text)
    input_path: Mapped[str] = mapped_column(Text)
    input_sha256: Mapped[str] = mapped_column(String(64))
    output_path: Mapped[str | None] = mapped_column(Text)
    options: Mapped[str] = mapped_column(Text, default="{}")
    total: Mapped[int] = mapped_column(Integer, default=0)
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    started_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    finished_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    occasion: Mapped[str | None] = mapped_column(String(64))
    recipe: Mapped[str | None] = mapped_column(Text)
    needs: Mapped[str | None] = mapped_column(Text)


class RunEvent(Base):
    """One event of a run as a whole: a pause, a probe, a changed limit, a recovery, a command.

    A command has an `actor`, as JSON (`db.trail.Actor`), and the `reason` that was typed. `old` and `new` are
    JSON objects of what it changed, by name.
    """

    __tablename__ = "run_events"
    __table_args__ = (
        Index(None, "run_id", "id"),
        Index(None, "at_ms", "id"),
        Index(None, "kind", "at_ms", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    run_id: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    cause: Mapped[str] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(Text)
    old: Mapped[str | None] = mapped_column(Text)
    new: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)


class OperatorEvent(Base):
    """What a command did that outlives its run, such as its removal, or that belongs to no run.

    `run_name` is that of the run or the night; the other columns are those of `run_events`.
    """

    __tablename__ = "operator_events"
    __table_args__ = (
        Index(None, "run_id", "id"),
        Index(None, "at_ms", "id"),
        Index(None, "kind", "at_ms", "id"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(32))
    run_id: Mapped[int | None] = mapped_column(Integer)
    run_name: Mapped[str | None] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    old: Mapped[str | None] = mapped_column(Text)
    new: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)


class KeyLimits(Base):
    """What was set for the team of an API key, known by its fingerprint, with a version that only grows.

    Of the rows with the same `team`, which is NULL until a worker has learned it, the newest version holds.
    `rpm`, `tpm`: NULL is not set, 0 is no limit.
    """

    __tablename__ = "team_limits"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    team: Mapped[str | None] = mapped_column(Text)
    rpm: Mapped[int | None] = mapped_column(BigInteger)
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class HostLimit(Base):
    """A limit, by its `name`, that the settings of a host had for a team when a worker last started there.

    `version`: as of when they have had this `value`, on the scale of `team_limits`.
    """

    __tablename__ = "team_settings"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(String(8), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int] = mapped_column(BigInteger)


class Job(Base):
    """One line of a job file, without its body. `id` has the run and the place in the file.

    `attempt` is the newest attempt, `answered_by` the one whose result is stored, `spent` the number of
    attempts that count against --max-attempts, `extras` the submissions beyond the one that ends the job,
    `misses` the 404 replies to polls, `settle_tries` the tries to settle a stored result, `reserved_ticks`
    the reservation of the attempt in flight. `interrupted_at_ms`: when a fetch of the attempt in flight was
    found to have died with its process; NULL again once the API says that the answer is not ready.
    `asks` counts how often it was asked again because an answer was invalid, `asked_after` is the attempt of
    the last such answer, and `ask_tokens` what asking again adds to `prompt_tokens`.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(JobState)})", name="state"),
        CheckConstraint(
            f"(state IN ({_listed(FINAL)})) = (finished_at_ms IS NOT NULL)", name="final_has_finished_at"
        ),
        CheckConstraint(
            "state NOT IN ('waiting', 'collecting') OR request_id IS NOT NULL", name="waiting_has_request_id"
        ),
        UniqueConstraint("run_id", "custom_id"),
        Index(
            "ix_jobs_pending",
            "run_id",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_jobs_waiting",
            "due_at_ms",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_jobs_held",
            "run_id",
            "error_code",
            "id",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
        Index(
            "ix_jobs_cancelled",
            "run_id",
            "id",
            sqlite_where=text("state = 'cancelled'"),
            postgresql_where=text("state = 'cancelled'"),
        ),
        Index(
            "ix_jobs_failed",
            "run_id",
            "error_code",
            "id",
            sqlite_where=text("state = 'failed'"),
            postgresql_where=text("state = 'failed'"),
        ),
        Index(
            "ix_jobs_held_by_a_process",
            "lease_until_ms",
            sqlite_where=text("state IN ('submitting', 'collecting', 'stored')"),
            postgresql_where=text("state IN ('submitting', 'collecting', 'stored')"),
        ),
    )

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    run_id: Mapped[int] = mapped_column(Integer)
    line: Mapped[int] = mapped_column(Integer)
    custom_id: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    prompt_tokens: Mapped[int] = mapped_column(Integer)
    output_tokens_max: Mapped[int | None] = mapped_column(Integer)
    body_bytes: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    due_at_ms: Mapped[int] = mapped_column(BigInteger)
    lease_owner: Mapped[int | None] = mapped_column(Integer)
    lease_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    lease_gen: Mapped[int] = mapped_column(Integer)
    attempt: Mapped[int] = mapped_column(Integer)
    answered_by: Mapped[int | None] = mapped_column(Integer)
    spent: Mapped[int] = mapped_column(Integer)
    extras: Mapped[int] = mapped_column(Integer)
    polls: Mapped[int] = mapped_column(Integer)
    misses: Mapped[int] = mapped_column(Integer)
    settle_tries: Mapped[int] = mapped_column(Integer)
    request_id: Mapped[str | None] = mapped_column(Text)
    accepted_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    reserved_ticks: Mapped[int | None] = mapped_column(BigInteger)
    error_code: Mapped[str | None] = mapped_column(String(64))
    finished_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    interrupted_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    asks: Mapped[int] = mapped_column(Integer, server_default="0")
    asked_after: Mapped[int | None] = mapped_column(Integer)
    ask_tokens: Mapped[int] = mapped_column(Integer, server_default="0")


class Payload(Base):
    """The request body of a job, byte for byte as in the file.

    With a `frame`, `body` is only what stands between its head and its tail. `set_model` is the model that a
    user set afterwards: it is sent instead of the one in the body.
    """

    __tablename__ = "payloads"

    job_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    extra: Mapped[bytes | None] = mapped_column("metadata", LargeBinary)
    conv_id: Mapped[str | None] = mapped_column(String(64))
    set_model: Mapped[str | None] = mapped_column(Text)
    frame: Mapped[int | None] = mapped_column(Integer)


class BodyFrame(Base):
    """What stands before and after the bytes of many jobs of a run: the shared parts of their bodies."""

    __tablename__ = "frames"

    run_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    frame: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    head: Mapped[bytes] = mapped_column(LargeBinary)
    tail: Mapped[bytes] = mapped_column(LargeBinary)


class TableRow(Base):
    """One row of a run's table and its job, in runs whose rows and jobs do not correspond one to one.

    `id` has the run and the number of the row, as a job's id has its place. A row without a job was skipped
    for its `fault`; a row of such a run that is missing here was excluded.
    """

    __tablename__ = "rows"

    id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    fault: Mapped[str | None] = mapped_column(Text)


class Attempt(Base):
    """One submission of a job: its times, its outcome, its usage and cost.

    `outcome` is 'marked' from before the POST on, 'accepted' after its reply, then the event that ended it.
    `slot` is the name of the limiter's slot; `probable_ticks` and `possible_ticks` (an upper bound) stand
    for an unknown cost.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index(
            "ix_attempts_flaw",
            "job_id",
            "flaw",
            sqlite_where=text("flaw IS NOT NULL"),
            postgresql_where=text("flaw IS NOT NULL"),
        ),
        Index(
            "ix_attempts_unread",
            "job_id",
            sqlite_where=text("(possible_ticks > 0 OR probable_ticks > 0)"),
            postgresql_where=text("(possible_ticks > 0 OR probable_ticks > 0)"),
        ),
    )

    job_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    lane: Mapped[str] = mapped_column(String(16))
    worker: Mapped[int] = mapped_column(Integer)
    slot: Mapped[str | None] = mapped_column(Text)
    reserved_ticks: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str] = mapped_column(String(24))
    marked_at_ms: Mapped[int] = mapped_column(BigInteger)
    sent_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    accepted_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    collected_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    request_id: Mapped[str | None] = mapped_column(Text)
    http_status: Mapped[int | None] = mapped_column(Integer)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    polls: Mapped[int] = mapped_column(Integer, default=0)
    model: Mapped[str | None] = mapped_column(Text)
    finish_reason: Mapped[str | None] = mapped_column(String(32))
    flaw: Mapped[str | None] = mapped_column(String(16))
    prompt_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(BigInteger)
    completion_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    total_tokens: Mapped[int | None] = mapped_column(BigInteger)
    ticks: Mapped[int | None] = mapped_column(BigInteger)
    ticks_source: Mapped[str | None] = mapped_column(String(16))
    prices_as_of: Mapped[str | None] = mapped_column(String(16))
    possible_ticks: Mapped[int | None] = mapped_column(BigInteger)
    probable_ticks: Mapped[int | None] = mapped_column(BigInteger)


class Result(Base):
    """The bytes of one fetched completion, unchanged. One row for each request_id."""

    __tablename__ = "results"
    __table_args__ = (UniqueConstraint("request_id"),)

    job_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    request_id: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[str] = mapped_column(String(64))
    received_at_ms: Mapped[int] = mapped_column(BigInteger)


class Unreadable(Base):
    """The replies to the fetches of one attempt that were no answers; they never enter `results`.

    `same` counts the last ones that were equal (`last_sha256`), from `same_since_ms` on, when the run had
    read `answers_before` answers. The bodies are the beginnings of the first and the last reply;
    `last_bytes` is the length of the whole last one.
    """

    __tablename__ = "unreadables"

    job_id: Mapped[int] = mapped_column(_ROW_ID, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    replies: Mapped[int] = mapped_column(Integer)
    first_at_ms: Mapped[int] = mapped_column(BigInteger)
    last_at_ms: Mapped[int] = mapped_column(BigInteger)
    first_body: Mapped[bytes] = mapped_column(LargeBinary)
    last_body: Mapped[bytes] = mapped_column(LargeBinary)
    last_sha256: Mapped[str] = mapped_column(String(64))
    last_bytes: Mapped[int] = mapped_column(Integer)
    same: Mapped[int] = mapped_column(Integer)
    same_since_ms: Mapped[int] = mapped_column(BigInteger)
    answers_before: Mapped[int] = mapped_column(BigInteger)


class RunCounter(Base):
    """One counter of a run, in shards: changed by delta in the transaction of what it counts."""

    __tablename__ = "run_counters"

    run_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(24), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    shard: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    n: Mapped[int] = mapped_column(BigInteger)


class RunSeries(Base):
    """The numbers of a run over time, in buckets of 10 s, 1 or 10 minutes; `db.counts.run_series` says how.

    A bucket begins at `at_ms` and ends with the `width_s` of the clock in which it begins: a run that is
    started again begins one in between. The sums over all buckets of a run are its counters.
    """

    __tablename__ = "run_series"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(Text, primary_key=True)
    shard: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    width_s: Mapped[int] = mapped_column(SmallInteger)
    sent: Mapped[int] = mapped_column(Integer)
    refused_for_now: Mapped[int] = mapped_column(Integer)
    polls: Mapped[int] = mapped_column(Integer)
    succeeded: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    priced: Mapped[int] = mapped_column(Integer)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    total_tokens: Mapped[int] = mapped_column(BigInteger)
    reported_ticks: Mapped[int] = mapped_column(BigInteger)
    estimated_ticks: Mapped[int] = mapped_column(BigInteger)
    possible_ticks: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int] = mapped_column(BigInteger)


class Worker(Base):
    """One worker process, the owner of leases and of a spool.

    `node` names its queue; `seen_at_ms` is its last heartbeat; `version` is that of its package.
    `draining_at_ms`: when a user told it to drain: it begins nothing new, and ends.
    """

    __tablename__ = "workers"
    __table_args__ = (Index(None, "host", "pid", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    host: Mapped[str] = mapped_column(Text)
    node: Mapped[str] = mapped_column(Text)
    pid: Mapped[int] = mapped_column(Integer)
    started_at_ms: Mapped[int] = mapped_column(BigInteger)
    seen_at_ms: Mapped[int] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    version: Mapped[str | None] = mapped_column(String(32))
    draining_at_ms: Mapped[int | None] = mapped_column(BigInteger)


class EvalSuite(Base):
    """A suite of an evaluation, by its name."""

    __tablename__ = "eval_suites"
    __table_args__ = (UniqueConstraint("name"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(Text)


class EvalNight(Base):
    """One occasion of a suite. `repetition` numbers the nights of one occasion, from 0.

    `spec` is the suite, `content` the hashes of what it was made of, `variants` the names of its subjects in
    their order, `options` the settings of the night, all as JSON. `verdict`, `exit_code` and `is_valid` are
    those of the newest row of `eval_verdicts`. `on_end_at_ms`: when the call of --on-end was last claimed,
    for the newest verdict of then.
    """

    __tablename__ = "eval_nights"
    __table_args__ = (
        CheckConstraint("state IN ('ended', 'open')", name="state"),
        UniqueConstraint("suite_id", "occasion", "repetition"),
        UniqueConstraint("suite_id", "pinned_as"),
        UniqueConstraint("name"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    suite_id: Mapped[int] = mapped_column(Integer)
    occasion: Mapped[str] = mapped_column(String(64))
    repetition: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    created_at_ms: Mapped[int] = mapped_column(BigInteger)
    ended_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    on_end_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str | None] = mapped_column(String(16))
    exit_code: Mapped[int | None] = mapped_column(Integer)
    is_valid: Mapped[int] = mapped_column(SmallInteger)
    is_accepted: Mapped[int] = mapped_column(SmallInteger)
    pinned_as: Mapped[str | None] = mapped_column(Text)
    variants: Mapped[str] = mapped_column(Text)
    options: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    spec: Mapped[bytes] = mapped_column(LargeBinary)


class EvalVerdict(Base):
    """A verdict about a night, with its whole report; a further one is added where it is graded again.

    `mean` is that of the primary grader for the first variant, `measured` of `answers` have a grade of it,
    and `services` is a JSON list of [model, fingerprint, answers]: what a history shows of a report.
    `ticks` are -1 where a run of the night was removed: what it had cost is not known then.
    """

    __tablename__ = "eval_verdicts"
    __table_args__ = (Index(None, "night_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    night_id: Mapped[int] = mapped_column(Integer)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(16))
    exit_code: Mapped[int] = mapped_column(Integer)
    mean: Mapped[float | None] = mapped_column(Double)
    measured: Mapped[int] = mapped_column(Integer)
    answers: Mapped[int] = mapped_column(Integer)
    ticks: Mapped[int] = mapped_column(BigInteger)
    services: Mapped[str] = mapped_column(Text)
    report: Mapped[bytes] = mapped_column(LargeBinary)


class EvalMeasurement(Base):
    """All items of a night answered once, by one run: number 1, and 2 where it was measured again."""

    __tablename__ = "eval_measurements"
    __table_args__ = (UniqueConstraint("night_id", "number"), Index(None, "run_id"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    night_id: Mapped[int] = mapped_column(Integer)
    number: Mapped[int] = mapped_column(Integer)
    run_id: Mapped[int] = mapped_column(Integer)
    is_graded: Mapped[int] = mapped_column(SmallInteger)


class EvalItem(Base):
    """One version of an item of a suite: `key` is its id there, `sha256` the hash of what is asked.

    `content` is the whole item as JSON, that of the newest night which has this version.
    """

    __tablename__ = "eval_items"
    __table_args__ = (UniqueConstraint("suite_id", "key", "sha256"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    suite_id: Mapped[int] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    content: Mapped[bytes] = mapped_column(LargeBinary)


class EvalNightItem(Base):
    """The items of a night, in its order."""

    __tablename__ = "eval_night_items"
    __table_args__ = ({"sqlite_with_rowid": False},)

    night_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    item_id: Mapped[int] = mapped_column(Integer)


class EvalGrader(Base):
    """A grader of a suite as it was in some night, by the hash of its rules."""

    __tablename__ = "eval_graders"
    __table_args__ = (UniqueConstraint("suite_id", "name", "sha256"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    suite_id: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    spec: Mapped[bytes] = mapped_column(LargeBinary)


class EvalNightGrader(Base):
    """The graders of a night."""

    __tablename__ = "eval_night_graders"
    __table_args__ = ({"sqlite_with_rowid": False},)

    night_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    grader_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)


class EvalService(Base):
    """A returned model and fingerprint; "" where an answer named none."""

    __tablename__ = "eval_services"
    __table_args__ = (UniqueConstraint("model", "fingerprint"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)


class EvalLabel(Base):
    """A label and a reason of grades; "" where a grade has none."""

    __tablename__ = "eval_labels"
    __table_args__ = (UniqueConstraint("label", "reason"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    label: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)


class EvalAnswer(Base):
    """The first readable answer of an item in one epoch, or that it was lost (`code`: its error or state).

    `variant` is the place in the night's `variants`. `sha256` is that of the completion, `redrawn` the number
    of later answers, which do not count.
    """

    __tablename__ = "eval_answers"
    __table_args__ = ({"sqlite_with_rowid": False},)

    measurement_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    variant: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    item_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    is_answered: Mapped[int] = mapped_column(SmallInteger)
    service_id: Mapped[int | None] = mapped_column(Integer)
    redrawn: Mapped[int] = mapped_column(Integer)
    completion_tokens: Mapped[int | None] = mapped_column(Integer)
    latency_ms: Mapped[int | None] = mapped_column(BigInteger)
    ticks: Mapped[int | None] = mapped_column(BigInteger)
    received_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    code: Mapped[str | None] = mapped_column(Text)
    flaw: Mapped[str | None] = mapped_column(String(16))
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))


class EvalGrade(Base):
    """What a grader says of an answer; `value` is NULL where it could not be graded."""

    __tablename__ = "eval_grades"
    __table_args__ = ({"sqlite_with_rowid": False},)

    measurement_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    grader_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    variant: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    item_id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    value: Mapped[float | None] = mapped_column(Double)
    label_id: Mapped[int | None] = mapped_column(Integer)
