"""The checks of `runner doctor`: each looks at one thing, touches nothing, and never raises."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sqlite3
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Literal

from runner import __version__
from runner.rules.errors import RunnerError, Unreachable, UserError
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from runner.api.account import KeyInfo
    from runner.settings import Settings

_FREE_LOW_BYTES: Final = 1 << 30
_FREE_NEEDED_BYTES: Final = 100 << 20
_WORKER_SEEN_MS: Final = 60_000
_ASK_S: Final = 15.0
_SKEW_S: Final = 30.0
_WORDS_LENGTH: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found; `fix` where it is not ok."""

    name: str
    state: Literal["ok", "warning", "failed"]
    told: str
    fix: str = ""


def all_checks(settings: Settings) -> Iterator[Check]:
    """Look at everything, one thing after the other."""
    secrets = [settings.api_key.reveal()] if settings.api_key else []
    looks: tuple[tuple[str, Callable[[Settings], Check]], ...] = (
        ("state folder", state_folder),
        ("database", database),
        ("redis", embedded_valkey if settings.embedded else shared_redis),
        ("workers", workers),
        ("api", api),
    )
    for name, look in looks:
        yield _safely(name, look, settings, secrets)


def python() -> Check:
    """Tell what runs here."""
    return _ok("python", f"runner {__version__}, Python {platform.python_version()}, {platform.machine()}")


def state_folder(settings: Settings) -> Check:
    """Look whether the state folder can be written to and has room."""
    home = settings.home
    folder = _nearest(home)
    if not os.access(folder, os.W_OK | os.X_OK):
        return _failed("state folder", f"{folder} may not be written to", "name another one with RUNNER_HOME")
    free = shutil.disk_usage(folder).free
    told = f"{home}{'' if folder == home else ' (made when needed)'}, {free / 2**30:,.1f} GiB free"
    if free < _FREE_NEEDED_BYTES:
        return _failed("state folder", told, "make room, or name another one with RUNNER_HOME")
    if free < _FREE_LOW_BYTES:
        return Check(name="state folder", state="warning", told=told, fix="make room before a large run")
    return _ok("state folder", told)


def database(settings: Settings) -> Check:
    """Look whether the database answers and has the schema of this version."""
    from runner.db import migrate
    from runner.db.session import Database

    if settings.embedded and not (settings.home / "runner.db").exists():
        return _ok("database", f"SQLite {sqlite3.sqlite_version}, made by the first run")
    opened = Database(settings.effective_database_url)
    try:
        opened.check()
        revision = migrate.revision(opened)
    finally:
        opened.close()
    shown = opened.url.render_as_string(hide_password=True)
    if revision == migrate.HEAD:
        return _ok("database", f"{shown}, schema {revision}")
    told = f"{shown} is at schema {revision or 'none'}, this version needs {migrate.HEAD}"
    return _failed("database", told, "runner db upgrade")


def embedded_valkey(settings: Settings) -> Check:  # noqa: ARG001 - all checks are called alike
    """Look whether there is a server binary for the private Valkey."""
    from runner.embedded.valkey import find_server

    return _ok("redis", f"private Valkey, {find_server()}")


def shared_redis(settings: Settings) -> Check:
    """Look whether the shared Redis answers, and that it throws nothing away."""
    import redis

    url = settings.effective_redis_url
    client = redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5)
    try:
        told = f"{redact(url, ())}, {client.info('server').get('redis_version', 'version unknown')}"
        policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except redis.RedisError as error:
        raise Unreachable(
            f"Redis does not answer: {error}", fix="start it, or correct RUNNER_REDIS_URL"
        ) from error
    finally:
        client.close()
    if policy != "noeviction":
        fix = "set maxmemory-policy to noeviction, or the limiter loses its log again and again"
        return Check(name="redis", state="warning", told=f"{told}, it evicts keys ({policy})", fix=fix)
    return _ok("redis", told)


def workers(settings: Settings) -> Check:
    """Look which workers were seen lately."""
    from runner.db import workers as on_record
    from runner.db.session import Database

    if settings.embedded and not (settings.home / "runner.db").exists():
        return _ok("workers", "none; every run brings its own")
    opened = Database(settings.effective_database_url)
    try:
        since_ms = opened.now_ms() - _WORKER_SEEN_MS
        with opened.read() as connection:
            seen = len(on_record.alive(connection, since_ms))
    finally:
        opened.close()
    if seen:
        return _ok("workers", f"{seen} seen within the last minute")
    if settings.embedded:
        return _ok("workers", "none at work; every run brings its own")
    told = "none seen within the last minute"
    return Check(name="workers", state="warning", told=told, fix="runner worker --beat")


def api(settings: Settings) -> Check:
    """Ask the API whose key it is: that tells whether it is there and takes the key, and costs nothing."""
    if settings.api_key is None:
        fix = "export XAI_API_KEY=xai-…, or name a file that holds it in XAI_API_KEY_FILE"
        return _failed("api key", "no API key is set", fix)
    info = asyncio.run(asyncio.wait_for(_ask(settings), _ASK_S))
    reply = info.reply
    if reply.status in (400, 401, 403) or info.blocked:
        told = "the key or its team is blocked" if info.blocked else f"{settings.base_url} refuses the key"
        return _failed("api key", f"{told} (HTTP {reply.status})", "set XAI_API_KEY to a key that works")
    if reply.status != 200:
        told = f"{settings.base_url} answers with HTTP {reply.status}"
        return Check(name="api", state="warning", told=told, fix="see status.x.ai, or correct XAI_BASE_URL")
    skew_s = _skew_s(reply.headers.get("date"))
    if abs(skew_s) > _SKEW_S:
        told = f"this clock is {skew_s:+.0f} s off the API's"
        return Check(name="api", state="warning", told=told, fix="set the clock (timedatectl set-ntp true)")
    return _ok("api", f"{settings.base_url} takes the key, team {info.team_id or 'unknown'}")


async def _ask(settings: Settings) -> KeyInfo:
    from runner.api.account import api_key_info
    from runner.api.xai import XAI

    door = XAI(settings, connections=1)
    try:
        return await api_key_info(door)
    finally:
        await door.close()


def _skew_s(date: str | None) -> float:
    try:
        return time.time() - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return 0.0


def _safely(name: str, look: Callable[[Settings], Check], settings: Settings, secrets: list[str]) -> Check:
    """Run a check; whatever it raises is what it found."""
    try:
        return look(settings)
    except UserError as error:
        told = "; ".join((error.what, *error.where))
        return _failed(name, one_line(redact(told, secrets), _WORDS_LENGTH), error.fix)
    except RunnerError as error:
        told = one_line(redact(str(error), secrets), _WORDS_LENGTH)
        return _failed(name, told, network_cure(told))
    except TimeoutError:
        return _failed(name, f"no answer within {_ASK_S:g} s", "check the network")
    except Exception as error:  # noqa: BLE001 - a doctor works when everything is broken
        told = one_line(redact(f"{type(error).__name__}: {error}", secrets), _WORDS_LENGTH)
        return _failed(name, told, "this is not expected; see the words above")


def network_cure(told: str) -> str:
    """Say what to do about a connection that failed, by the words it failed with."""
    words = told.lower()
    if "certificate" in words:
        return (
            "name your authority's certificates in SSL_CERT_FILE, if a proxy or a server of yours is between"
        )
    if "proxy" in words or ("HTTPS_PROXY" in os.environ or "https_proxy" in os.environ):
        return "correct HTTPS_PROXY, or name the host in NO_PROXY"
    if "name or service" in words or "name resolution" in words or "domain name" in words:
        return "the name is not found: check XAI_BASE_URL and the network's DNS"
    return "check the network, and XAI_BASE_URL"


def _nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next((folder for folder in (path, *path.parents) if folder.exists()), path)


def _ok(name: str, told: str) -> Check:
    return Check(name=name, state="ok", told=told)


def _failed(name: str, told: str, fix: str) -> Check:
    return Check(name=name, state="failed", told=told, fix=fix)
