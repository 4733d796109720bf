"""Fills a database with finished jobs by SQL in seconds, with the same rows as if they had been run."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from runner.db.counts.counters import Deltas
from runner.db.jobs.job_ids import job_id
from runner.db.runs import runs
from runner.db.runs.run_row import RunOptions
from runner.db.session import Database
from runner.rules.requests import output_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROWS: Final = 100_000  # in one transaction
_MODEL: Final = "grok-4.3"
_AT_MS, _ENDED_MS = 1_790_000_000_000, 1_790_000_020_000
_TIMES: Final = {"at": _AT_MS, "ended": _ENDED_MS}
_TICKS: Final = 4_395_500
_TOKENS: Final = {"prompt": 300, "cached": 200, "completion": 40, "reasoning": 100, "total": 440}
_PROMPT_TEXT: Final = "the bridge was closed in March and the ferry took over for cyclists and walkers; " * 6
_BODY_START: Final = (
    '{"model": "grok-4.3", "max_completion_tokens": 200, "messages": [{"role": "user", "content":'
    ' "Is this good news? Number '
)
_RESULT_END: Final = (
    '","object":"chat.completion","created":1790000000,"model":"grok-4.3","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"As far as one can tell, it is good news for those who take the ferry.",'
    '"refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":300,"completion_tokens":40,'
    '"total_tokens":440,"prompt_tokens_details":{"text_tokens":300,"audio_tokens":0,"image_tokens":0,'
    '"cached_tokens":200},"completion_tokens_details":{"reasoning_tokens":100,"audio_tokens":0,'
    '"accepted_prediction_tokens":0,"rejected_prediction_tokens":0},"num_sources_used":0,'
    '"cost_in_usd_ticks":4395500},"system_fingerprint":"fp_0016561e8f"}'
)
# The text before the job's number, and after it.
_REQUEST: Final = (_BODY_START, f': {_PROMPT_TEXT}"}}]}}')
_ANSWER: Final = ('{"id":"18b85a11-62f5-4cae-87e3-', _RESULT_END)
# SQL that differs between SQLite and PostgreSQL: a row for each number, its digits, bytes, their hash in hex.
_SQL_OF: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {
        "numbers": "WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i < :high)",
        "digits": "printf('%012d', i)",
        "bytes": "CAST({} AS BLOB)",
        "hash": "sha256_hex({})",
    },
    "postgresql": {
        "numbers": "WITH n(i) AS (SELECT generate_series(CAST(:low AS BIGINT), CAST(:high AS BIGINT)))",
        "digits": "lpad(CAST(i AS TEXT), 12, '0')",
        "bytes": "convert_to({}, 'UTF8')",
        "hash": "encode(sha256({}), 'hex')",
    },
}


def fill(url: str, count: int, *, name: str = "finished") -> int:
    """Insert a finished run with `count` jobs into a migrated database; return its id."""
    with closing(Database(url)) as database:
        with database.write() as connection:
            run_id = _run(connection, count, name)
        for low in range(0, count, _ROWS):
            with database.write() as connection:
                _jobs(connection, run_id, low, min(low + _ROWS, count) - 1)
        with database.write() as connection:
            _count(run_id, count).write(connection)
            if not database.is_sqlite:
                return run_id
        with closing(database.engine.raw_connection()) as raw:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return run_id


def _run(connection: Connection, count: int, name: str) -> int:
    run_id = runs.begin(
        connection,
        identity=hashlib.sha256(name.encode()).hexdigest(),
        name=name,
        input_path=f"/nowhere/{name}.jsonl",
        input_sha256="0" * 64,
        options=RunOptions(),
        now_ms=_AT_MS,
    )
    connection.execute(
        text(
            "UPDATE runs SET state = 'finished', total = :total, started_at_ms = :began,"
            " finished_at_ms = :ended WHERE id = :id"
        ),
        {"id": run_id, "total": count, "began": _AT_MS, "ended": _ENDED_MS},
    )
    return run_id


def _jobs(connection: Connection, run_id: int, low: int, high: int) -> None:
    words = _SQL_OF[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.create_function("sha256_hex", 1, lambda raw: hashlib.sha256(raw).hexdigest())
    given = {"low": low, "high": high}
    for table, values in _rows(words, job_id(run_id, 0), run_id).items():
        chosen = ", ".join(values.values())
        used = {
            name: value for name, value in (given | _TIMES).items() if f":{name}" in words["numbers"] + chosen
        }
        sql = f"{words['numbers']} INSERT INTO {table} ({', '.join(values)}) SELECT {chosen} FROM n"
        connection.execute(text(sql), used)


def _rows(words: Mapping[str, str], first: int, run_id: int) -> dict[str, dict[str, str]]:
    """Return for each table its columns and their SQL values for job number `i`."""
    digits = words["digits"]
    request_id = f"'dc516656-db9f-4962-82c4-' || {digits}"
    body, answer = (
        words["bytes"].format(f"'{_escaped(before)}' || {digits} || '{_escaped(behind)}'")
        for before, behind in (_REQUEST, _ANSWER)
    )
    job = {"id": f"{first} + i", "run_id": f"{run_id}", "line": "i + 1", "custom_id": f"'job-' || {digits}"}
    columns = {
        "model": f"'{_MODEL}'",
        "prompt_tokens": "300",
        "output_tokens_max": "200",
        "body_bytes": "600",
    }
    zeros = dict.fromkeys(("extras", "misses", "settle_tries"), "0")
    ones = dict.fromkeys(("attempt", "answered_by", "spent", "polls"), "1")
    ended = {"state": "'succeeded'", "due_at_ms": ":ended", "lease_gen": "3", "finished_at_ms": ":ended"}
    accepted = {"request_id": request_id, "accepted_at_ms": ":at", "reserved_ticks": f"{_TICKS}"}
    sent = {"job_id": f"{first} + i", "attempt": "1", "lane": "'deferred'", "worker": "1", "polls": "1"}
    collected = {
        "marked_at_ms": ":at",
        "sent_at_ms": ":at",
        "collected_at_ms": ":ended",
        "http_status": "200",
    }
    cost = {"ticks": f"{_TICKS}", "ticks_source": "'reported'", "model": f"'{_MODEL}'"}
    tokens = {f"{name}_tokens": f"{n}" for name, n in _TOKENS.items()}
    settled = {"outcome": "'succeeded'", "finish_reason": "'stop'"}
    return {
        "jobs": job | columns | zeros | ones | ended | accepted,
        "payloads": {"job_id": f"{first} + i", "body": body},
        "attempts": sent | accepted | collected | settled | tokens | cost,
        "results": {
            "job_id": f"{first} + i",
            "attempt": "1",
            "request_id": request_id,
            "body": answer,
            "sha256": words["hash"].format(answer),
            "received_at_ms": ":ended",
        },
    }


def _escaped(json: str) -> str:
    """Escape colons, which SQLAlchemy would take for parameters."""
    return json.replace(":", "\\:")


def _count(run_id: int, count: int) -> Deltas:
    """Return the counters that the engine would have written."""
    deltas = Deltas(1)
    settled: tuple[tuple[str, str, int], ...] = (
        ("state", "succeeded", 1),
        *(("attempts", word, 1) for word in ("accepted", "polls", "collected")),
        ("finish", "stop", 1),
        ("latency", "050", 1),
        ("model_jobs", _MODEL, 1),
        ("model_ticks", _MODEL, _TICKS),
        ("ticks", "reported", _TICKS),
        (
            output_estimate.COUNTER_KIND,
            output_estimate.counter_key(_MODEL, _TOKENS["completion"] + _TOKENS["reasoning"]),
            1,
        ),
        *(("tokens", word, n) for word, n in _TOKENS.items()),
    )
    for kind, key, each in settled:
        deltas.add(run_id, kind, key, each * count)
    return deltas
