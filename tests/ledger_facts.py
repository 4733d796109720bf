"""Reads what the ledger checks: database, files and books, with plain sqlite3, psycopg and json."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Row = dict[str, Any]
ASKED_AGAIN = "a body that asks again"  # in place of a key of the books


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was read. `crashed`: processes were killed; `limits`: by window (rpm, tpm, rps)."""

    run: Row
    jobs: list[Row]
    attempts: list[Row]
    results: list[Row]
    counters: Mapping[tuple[str, str], int]
    series: list[Row]
    events: list[Row]
    output: list[bytes]
    errors: list[bytes]
    summary: Row
    summary_files: Mapping[str, bytes]
    input_ids: list[str]
    books: Row
    limits: Mapping[str, int]
    crashed: bool

    @cached_property
    def by_job(self) -> dict[int, list[Row]]:
        """Attempts by job, oldest first."""
        by_job: dict[int, list[Row]] = defaultdict(list)
        for attempt in self.attempts:
            by_job[attempt["job_id"]].append(attempt)
        return by_job

    @cached_property
    def states(self) -> Counter[str]:
        """Jobs by state, counted from the rows."""
        return Counter(job["state"] for job in self.jobs)

    @cached_property
    def known(self) -> dict[str, Row]:
        """Attempts by request_id."""
        return {attempt["request_id"]: attempt for attempt in self.attempts if attempt["request_id"]}

    @cached_property
    def stored(self) -> dict[str, Row]:
        """Results by request_id."""
        return {result["request_id"]: result for result in self.results}

    @cached_property
    def job_of(self) -> dict[int, Row]:
        """Jobs by id."""
        return {job["id"]: job for job in self.jobs}

    @cached_property
    def recipe(self) -> Row:
        """The run's recipe; {} of a run without labels."""
        return json.loads(self.run["recipe"]) if self.run["recipe"] else {}

    @cached_property
    def keys(self) -> set[str]:
        """The books' keys of all jobs, by their bodies as they were loaded."""
        return {job["key"] for job in self.jobs}

    def asked_key(self, key: str) -> str:
        """Return a key of the books; ASKED_AGAIN for one of no loaded body, in a run that asks again.

        Without a `user` in the body, the key is a digest of what was posted. A body that asks again is stored
        nowhere, so it cannot be known here.
        """
        return key if key in self.keys or not self.recipe else ASKED_AGAIN

    def key_of_attempt(self, attempt: Row) -> str:
        """Return the key under which the books have an attempt."""
        job = self.job_of[attempt["job_id"]]
        is_asked_again = self._follows_an_invalid_one(attempt) and not job["has_user"]
        return ASKED_AGAIN if is_asked_again else str(job["key"])

    def has_key(self, attempt: Row, key: str) -> bool:
        """Return whether the books may have an attempt under a key.

        One that follows an invalid one may be the first after `runner retry`: that sends the loaded body.
        """
        is_first_again = self.n("extra", "user_retry") and key == self.job_of[attempt["job_id"]]["key"]
        return self.asked_key(key) == self.key_of_attempt(attempt) or bool(is_first_again)

    def _follows_an_invalid_one(self, attempt: Row) -> bool:
        mine = self.by_job[attempt["job_id"]]
        return any(a["outcome"] == "invalid" for a in mine if a["attempt"] < attempt["attempt"])

    def n(self, kind: str, key: str) -> int:
        """Return one counter."""
        return self.counters.get((kind, key), 0)

    def ended_its_job(self, attempt: Row) -> bool:
        """Return whether the job's end came from this attempt."""
        job = self.job_of[attempt["job_id"]]
        if job["state"] not in ("succeeded", "failed"):
            return False
        return bool(attempt["attempt"] == (job["answered_by"] or job["attempt"]))

    def has_another_end(self, attempt: Row) -> bool:
        """Say whether the job's end came from another attempt."""
        job = self.job_of[attempt["job_id"]]
        return job["state"] in ("succeeded", "failed") and not self.ended_its_job(attempt)

    def is_superseded(self, attempt: Row) -> bool:
        """Return whether an older attempt ended the job while this one was in flight."""
        by = self.job_of[attempt["job_id"]]["answered_by"]
        return by is not None and by < attempt["attempt"] and attempt["outcome"] in ("accepted", "marked")


def read(
    database_url: str,
    output: Path,
    job_file: Path,
    books: Row,
    run_id: int | None,
    limits: Mapping[str, int],
    *,
    crashed: bool,
) -> Facts:
    """Return all that the ledger checks, for one run."""
    with contextlib.closing(connect(database_url)) as connection:
        newest = rows(connection, "SELECT MAX(id) AS id FROM runs")[0]["id"]
        run = rows(connection, f"SELECT * FROM runs WHERE id = {int(run_id or newest)}")[0]
        mine = f"id >= {run['id'] << 32} AND id < {(run['id'] + 1) << 32}"
        of_jobs = mine.replace("id ", "job_id ")
        jobs = rows(connection, f"SELECT * FROM jobs WHERE {mine} ORDER BY id")
        frames = {
            row["frame"]: (bytes(row["head"]), bytes(row["tail"]))
            for row in rows(connection, f"SELECT * FROM frames WHERE run_id = {run['id']}")
        }
        bodies = {
            row["job_id"]: bytes(row["body"]).join(frames.get(row["frame"], (b"", b"")))
            for row in rows(connection, f"SELECT * FROM payloads WHERE {of_jobs}")
        }
        attempts = rows(connection, f"SELECT * FROM attempts WHERE {of_jobs} ORDER BY job_id, attempt")
        results = rows(connection, f"SELECT * FROM results WHERE {of_jobs} ORDER BY job_id, attempt")
        counters = rows(
            connection,
            f"SELECT kind, key, SUM(n) AS n FROM run_counters WHERE run_id = {run['id']} GROUP BY kind, key",
        )
        series = rows(connection, f"SELECT * FROM run_series WHERE run_id = {run['id']} ORDER BY at_ms")
        events = rows(connection, f"SELECT * FROM run_events WHERE run_id = {run['id']} ORDER BY id")
    for job in jobs:
        body = bodies.get(job["id"], b"{}")
        job["key"], job["has_user"] = key_of(body), bool(json.loads(body).get("user"))
    for result in results:
        result["body"] = bytes(result["body"])
    errors = output.with_name(output.name.removesuffix(".jsonl") + ".errors.jsonl")
    summary = output.with_name(output.name.removesuffix(".jsonl") + ".summary.json")
    return Facts(
        run=run,
        jobs=jobs,
        attempts=attempts,
        results=results,
        counters={(row["kind"], row["key"]): int(row["n"]) for row in counters},
        series=series,
        events=events,
        output=output.read_bytes().splitlines(),
        errors=errors.read_bytes().splitlines(),
        summary=json.loads(summary.read_bytes()),
        summary_files={"results": output.read_bytes(), "errors": errors.read_bytes()},
        input_ids=input_ids(job_file),
        books={**books, "jobs": with_ids_of_answers(books["jobs"], jobs, attempts)},
        limits=limits,
        crashed=crashed,
    )


def with_ids_of_answers(entries: list[Row], jobs: list[Row], attempts: list[Row]) -> list[Row]:
    """Return the books' entries; those that were answered at once get the id under which runner keeps them.

    The API gave none: it is the number of the job and that of the attempt. A job has an answer that was not
    kept only before the one that was: a process died in between.
    """
    keys = {job["id"]: job["key"] for job in jobs}
    kept: dict[str, list[str]] = defaultdict(list)
    for attempt in attempts:
        if attempt["request_id"] == f"{attempt['job_id']}-{attempt['attempt']}":
            kept[keys[attempt["job_id"]]].append(attempt["request_id"])
    newest_first = [
        {**entry, "request_id": kept[entry["job"]].pop()}
        if entry["reply"] == "answer" and kept[entry["job"]]
        else entry
        for entry in reversed(entries)
    ]
    return newest_first[::-1]


def connect(url: str) -> Any:
    """Return a connection by URL: sqlite:///path (read only) or postgresql://…"""
    if url.startswith("sqlite:///"):
        return sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True, timeout=30)
    import psycopg

    return psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:"))


def rows(connection: Any, sql: str) -> list[Row]:
    """Return the rows of a query, by column name."""
    cursor = connection.cursor()
    cursor.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def key_of(body: bytes) -> str:
    """Return the books' key of a job: the body's `user`, else the sha256 of the body as posted."""
    user = json.loads(body).get("user")
    return str(user) if user else hashlib.sha256(b'{"deferred":true,' + body[1:]).hexdigest()


def input_ids(path: Path) -> list[str]:
    """Return the ids of a job file, in short or batch form."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    ids = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            job = json.loads(line)
            ids.append(str(job.get("custom_id") or job.get("id") or f"line-{number}"))
    return ids
