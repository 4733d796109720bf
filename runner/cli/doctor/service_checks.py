"""The checks of `runner doctor` outside this process: database, Redis, workers and the API."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from runner.cli.doctor.diagnosis import Diagnosis, failed, ok, warning
from runner.cli.render.text import count
from runner.cli.session.context import LOST_FIX, had_database, lost_database
from runner.rules import models
from runner.rules.advice import Advice
from runner.rules.errors import UserError
from runner.rules.replies import clock_skew
from runner.rules.replies.key_status import KeyStatus
from runner.rules.servers.server_url import shown_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.api.account import KeyInfo
    from runner.api.client import XAIClient
    from runner.cli.doctor.asked_database import AskedDatabase
    from runner.settings import Settings

_HEARTBEAT_MAX_AGE_MS: Final = 60_000


def database(settings: Settings, asked: AskedDatabase) -> Iterator[Diagnosis]:
    """Check whether the database answers, has the schema of this version, and can be worked with."""
    from runner.db import migrate
    from runner.db.connection import database_checks

    with asked.opened() as opened:
        if opened is None and had_database(settings):
            yield warning("database", Advice(lost_database(settings), LOST_FIX))
            return
        if opened is None:
            yield ok("database", f"SQLite {sqlite3.sqlite_version}, made by the first run")
            return
        shown = opened.shown_url
        if settings.embedded and migrate.is_older(opened):
            yield ok("database", f"{shown}, brought to schema {migrate.HEAD} by the next command")
            return
        migrate.need_head(opened)
        database_checks.check(opened)
        yield ok("database", f"{shown}, schema {migrate.HEAD}")


def redis(settings: Settings) -> Iterator[Diagnosis]:
    """Check that the private Valkey has a binary, or that the shared Redis answers and keeps its data."""
    if settings.embedded:
        from runner.embedded.valkey import find_server

        yield ok("redis", f"private Valkey, {find_server()}")
        return
    from runner.limiter import server_check

    url = settings.effective_redis_url
    version, advice = server_check.inspect(url)
    for problem in advice:
        yield warning("redis", problem)
    if not advice:
        yield ok("redis", f"{shown_url(url)}, {version}")


def workers(settings: Settings, asked: AskedDatabase) -> Iterator[Diagnosis]:
    """Check whether a worker sent a heartbeat within the last minute, and whether workers can write."""
    from runner.db import migrate
    from runner.db.workers import workers as worker_rows
    from runner.limiter import refused_commits

    if settings.embedded:
        yield ok("workers", "every run brings its own")
        return
    with asked.opened() as opened:
        if opened is None:
            return
        migrate.need_head(opened)
        since_ms = opened.now_ms() - _HEARTBEAT_MAX_AGE_MS
        with opened.read() as connection:
            alive = len(worker_rows.alive(connection, since_ms))
    refusal = None
    with suppress(UserError):  # the check of Redis says it
        refusal = refused_commits.read(settings.effective_redis_url)
    if refusal is not None:
        what = f"{count(refusal.workers, 'worker')} cannot work: {refusal.what}"
        yield failed("workers", Advice(what, refusal.fix))
    elif alive:
        yield ok("workers", f"{alive} seen within the last minute")
    else:
        yield warning("workers", Advice("none was seen within the last minute", "runner worker --beat"))


def api(settings: Settings, asked: AskedDatabase) -> Iterator[Diagnosis]:
    """Check the API key, its team, the clock and the models that runs need. Both requests are free."""
    from runner.cli.doctor.team_limits_check import check_team_limits
    from runner.cli.session.context import require_key

    require_key(settings)
    key, (result, why), served, skew_s = asyncio.run(_fetch_facts(settings))
    skew = clock_skew.skew_advice(skew_s)
    yield warning("clock", skew) if skew else ok("clock", "agrees with the API's")
    match result:
        case KeyStatus.REFUSED:
            yield failed("api key", Advice(why, "set XAI_API_KEY to a key that works"))
            return
        case KeyStatus.NO_ENDPOINT:
            what = f"{settings.base_url}: {why}"
            yield failed("api", Advice(what, "write XAI_BASE_URL like https://api.x.ai/v1"))
            return
        case KeyStatus.RETRY_LATER:
            yield failed("api", Advice(why, "see status.x.ai, or correct XAI_BASE_URL"))
            return
        case KeyStatus.TEAM_UNKNOWN:
            what = why or "the API does not say whose key it is"
            yield warning("api", Advice(what, "limits are then kept for the key alone, not for its team"))
        case KeyStatus.TEAM_KNOWN:
            yield ok("api", f"{settings.base_url} takes the key, team {key.team_id}")
    for name in _models_wanted(asked):
        yield _model(name, served)
    if asked.fault is None:
        yield from check_team_limits(settings)
    else:
        yield warning("team limits", Advice(f"not known: {asked.fault.what}", asked.fault.fix))


async def _fetch_facts(
    settings: Settings,
) -> tuple[KeyInfo, tuple[KeyStatus, str], frozenset[str], float]:
    from runner.api import account
    from runner.api.client import XAIClient

    client = XAIClient(settings, connections=1)
    try:
        key = await account.api_key_info(client)
        status = await account.status_of_key(client, key)
        return key, status, await _served(client), client.clock_skew_s
    finally:
        await client.close()


async def _served(client: XAIClient) -> frozenset[str]:
    """Return the names of the language models; none if the API does not list them."""
    from runner.api import catalogue
    from runner.api.request_failed import RequestFailed

    try:
        return await catalogue.language_models(client)
    except RequestFailed:
        return frozenset()


def _models_wanted(asked: AskedDatabase) -> list[str]:
    """Return the models of the runs that still have jobs to send, else the default one."""
    from runner.db import migrate
    from runner.db.runs import runs

    with suppress(UserError), asked.opened() as opened:
        if opened is not None:
            migrate.need_head(opened)
            with opened.read() as connection:
                return runs.models_of_pending_jobs(connection) or [models.DEFAULT]
    return [models.DEFAULT]


def _model(name: str, served: frozenset[str]) -> Diagnosis:
    """Check whether the API serves a model, and whether the table has its limits."""
    today = datetime.now(UTC).date()
    serving = models.serving(name, today)
    shown = name if serving == models.canonical(name) else f"{name} (served by {serving})"
    if served and not {name, serving} & served:
        what = f"{shown} is not among the {len(served)} names of models that the API serves"
        return warning("model", Advice(what, "name a model that exists, in the file or with --model"))
    known = models.facts(serving)
    if known is None:
        what = f"the limits of {shown} are not known before the API tells them"
        fix = "set RUNNER_TEAM_RPM and RUNNER_TEAM_TPM to those of your account (console.x.ai)"
        return warning("model", Advice(what, fix))
    unlisted = "" if served else "; the API does not say which models it serves"
    return ok(
        "model", f"{shown}, {known.rpm:,} requests and {known.tpm:,} tokens a minute by the table{unlisted}"
    )
