"""The settings in force: read from flags, environment and files, by the table of all settings.

Order: flag > environment > ./runner.toml (or [tool.runner] of ./pyproject.toml) > default.
The API key, and the hosts it may be sent to, come from the environment only: a file in a folder must not send
it elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner import home_folder, settings_file
from runner.rules import api_key
from runner.rules.errors import UsageError
from runner.rules.numbers import NumberError
from runner.rules.os_text import is_text
from runner.rules.secret import Secret
from runner.rules.servers import base_url, server_url
from runner.settings_table import NO_LIMIT, TABLE, Setting, WrongValueError, expanded, read_path, read_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_START_WITHIN_MS_MAX: Final = 30_000
_START_WITHIN_S_MIN: Final = 0.5  # a claim that leaves no time to send its request would be useless
_SOCKET_BYTES_MAX: Final = 90  # the kernel allows 107, and a server may open a longer name beside it
_FLUSH_S: Final = 10.0  # for the last writes of a worker that ends
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/._+-]+")  # needs no quoting in any URL
_GITHUB_NAMES: Final = ("ARCH", "ENVIRONMENT", "NAME", "OS", "TEMP", "TOOL_CACHE", "TRACKING_ID", "WORKSPACE")
# Set by GitHub's own runner in every job, and by our engine for its children.
_NOT_SETTINGS: Final = frozenset(
    {*(f"RUNNER_{name}" for name in _GITHUB_NAMES), "RUNNER_ENGINE_PID", "RUNNER_ENGINE_TOKEN", "RUNNER_BEAT"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the value of a setting came from."""

    name: str
    shown: str  # the value, without secrets
    origin: str  # flag, environment variable, key and file, or "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. Paths are absolute."""

    api_key: Secret | None
    base_url: str
    allow_http_hosts: tuple[str, ...]
    home: Path
    database_url: str | None = field(repr=False)  # it may hold a password
    redis_url: str | None = field(repr=False)
    output_dir: Path | None
    concurrency: int
    worker_processes: int | None
    lease_s: float
    turn_s: float
    read_timeout_s: float
    connect_timeout_s: float
    prompt_overhead_tokens: int | None
    charge_polls: str
    team_rpm: int | None  # 0 is `none`
    team_tpm: int | None
    prices: Mapping[str, object]
    debug: bool
    secrets: tuple[str, ...] = field(repr=False)  # all that no output may show; for `redact.redact`
    sources: tuple[Source, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def embedded(self) -> bool:
        """Return whether the database and Valkey are private, in the state folder."""
        return self.database_url is None

    @property
    def drain_s(self) -> float:
        """Return how long a worker may take to end: requests in flight are finished, no new ones are sent."""
        return self.connect_timeout_s + self.read_timeout_s + _FLUSH_S

    @property
    def spool_dir(self) -> Path:
        """Return the folder of records that the database lacks. Each database has its own."""
        if self.database_url is None:
            return self.home / "spool"
        name = hashlib.sha256(self.database_url.encode()).hexdigest()[:12]
        return self.home / f"spool-{name}"

    @property
    def start_within_ms(self) -> int:
        """Return how long after a claim a request may be started, so that it ends while the claim holds."""
        left_s = self.lease_s - self.connect_timeout_s - self.read_timeout_s
        return min(_START_WITHIN_MS_MAX, int(left_s * 1000))

    @property
    def effective_database_url(self) -> str:
        """Return the URL of the shared database, else of the private one."""
        path = str(self.home / "runner.db").replace("%", "%25")  # SQLAlchemy decodes it
        return self.database_url or f"sqlite:///{path}"

    @property
    def effective_redis_url(self) -> str:
        """Return the URL of the shared Redis, else of the private one, in redis-py's form."""
        return self.redis_url or f"unix://{socket_path(self.home)}"

    @property
    def broker_url(self) -> str:
        """Return `effective_redis_url` in Celery's form."""
        return re.sub("^unix:", "redis+socket:", self.effective_redis_url)


def socket_path(home: Path) -> Path:
    """Return the socket path of a state folder's private Valkey: in the folder, or in /tmp if it is too long.

    /tmp and not TMPDIR: every command of a user must find the same path. `StateFolder` makes it private.
    """
    path = home / "valkey.sock"
    if len(bytes(path)) <= _SOCKET_BYTES_MAX and _PLAIN_PATH.fullmatch(str(path)):
        return path
    name = f"runner-{os.getuid()}-{hashlib.sha256(bytes(home)).hexdigest()[:16]}"
    return Path("/tmp") / name / "valkey.sock"  # noqa: S108


def load_here(flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings of this process: `load` with its environment and its current folder."""
    return load(os.environ, home_folder.current_folder(), flags)


def load(env: Mapping[str, str], cwd: Path | None, flags: Mapping[str, object] | None = None) -> Settings:
    """Return the settings in force. Raises UsageError with a fix for a wrong value.

    `flags`: values by setting name; None: not given. Unknown names in `env` and files become `warnings`.
    Without a current folder (`cwd` None) there is no file, and a relative path is a wrong value.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    file, origin, warnings = settings_file.read(cwd) if cwd is not None else ({}, "", [])
    warnings += [*_blank_around_key(env), *_unknown_in_env(env), *_unknown_in_file(file, origin)]
    values: dict[str, Any] = {}
    sources = []
    for row in TABLE:
        raw, its_origin = _pick(row, given, env, file, origin)
        value: Any = _default(row, env) if raw is None else _read(row, raw, its_origin)
        values[row.name] = _absolute(value, cwd, its_origin) if isinstance(value, Path) else value
        sources.append(Source(name=row.name, shown=_shown(row, values[row.name]), origin=its_origin))
    values["base_url"] = base_url.validate_base_url(values["base_url"], values["allow_http_hosts"])
    _check_combinations(values)
    values["secrets"] = _secrets([values[row.name] for row in TABLE if row.secret], env)
    return Settings(**values, sources=tuple(sources), warnings=tuple(warnings))


def known_secrets() -> tuple[str, ...]:
    """Return all that no output may show; also where the settings are wrong, as far as they can be read."""
    try:
        return load_here().secrets
    except Exception:  # noqa: BLE001 - a report of a bug asks, which may be one of reading the settings
        return _secrets([os.environ.get(row.env) for row in TABLE if row.secret], os.environ)


def known_home() -> Path | None:
    """Return the state folder; also where other settings are wrong. None where it cannot be found out."""
    try:
        return load_here().home
    except Exception:  # noqa: BLE001 - as above
        home = Path(os.environ.get("RUNNER_HOME", ""))
        return home if home.is_absolute() else None


def _secrets(values: Iterable[Secret | str | None], env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in the values of secret settings, and in the proxies of the environment."""
    texts = [value.reveal() if isinstance(value, Secret) else value or "" for value in values]
    found = [secret for text in texts for secret in server_url.secrets_in_url(text.strip())]
    proxies = [value for name, value in env.items() if re.fullmatch("(?i)(?!no_)[a-z]+_proxy", name)]
    found += [secret for proxy in proxies for secret in server_url.secrets_in_proxy(proxy)]
    return tuple(dict.fromkeys(found))


def _pick(
    row: Setting, flags: Mapping[str, object], env: Mapping[str, str], file: Mapping[str, object], origin: str
) -> tuple[object, str]:
    """Return the first raw value, in the order of the sources, and its origin."""
    if row.name in flags:
        return flags[row.name], row.flag or row.name
    if env.get(row.env, "").strip():
        return env[row.env], row.env
    if row.secret and env.get(file_variable(row), "").strip():
        return _secret_file(row, env[file_variable(row)]), file_variable(row)
    if row.toml and row.name in file:
        return file[row.name], f"{row.name} in {origin}"
    return None, "default"


def file_variable(row: Setting) -> str:
    """Return the environment variable that names a file with a secret setting in it."""
    return f"{row.env}_FILE"


def _secret_file(row: Setting, path: str) -> str:
    what = row.meaning.replace("the xAI API", "the API")
    try:
        secret = expanded(path).read_text(encoding="utf-8-sig").strip(api_key.BLANK)
    except (OSError, UnicodeDecodeError, WrongValueError) as error:
        why = "it is no text" if isinstance(error, UnicodeDecodeError) else error.args[-1]
        problem = f"the file of {what} cannot be read: {path}: {why}"
        raise UsageError(problem, fix=f"correct {file_variable(row)}") from None
    if not secret:
        raise UsageError(f"the file of {what} is empty: {path}", fix=f"write {what} into it")
    return secret


def _read(row: Setting, raw: object, origin: str) -> object:
    try:
        return row.read(raw) if row.read is read_path else row.read(_checked_text(raw))
    except NumberError as error:
        raise UsageError(f"{origin}: {error}", fix=f"correct {origin}: {row.meaning}") from None
    except WrongValueError as wrong:
        shown = "" if row.secret else f": {str(raw)[:80]!r}"
        holder = f"the file of {origin}" if origin == file_variable(row) else origin
        raise UsageError(f"{holder} {wrong}{shown}", fix=f"correct {holder}: {row.meaning}") from None


def _checked_text(raw: object) -> object:
    if isinstance(raw, str) and not is_text(raw):
        raise WrongValueError("has bytes that are no text")
    return raw


def _shown(row: Setting, value: object) -> str:
    if value is None or value in ((), {}):
        return "not set"
    if row.read is read_rate and value == NO_LIMIT:
        return "none"
    if row.secret and isinstance(value, str):
        return server_url.shown_url(value)
    shown = ", ".join(value) if isinstance(value, tuple | dict) else str(value)
    return f"{shown} {row.unit}".rstrip()


def _default(row: Setting, env: Mapping[str, str]) -> object:
    return home_folder.default_home(env) if row.name == "home" else row.default


def _absolute(path: Path, cwd: Path | None, origin: str) -> Path:
    if cwd is None and not path.is_absolute():
        what = f"{origin} is relative to the current folder, which was removed: {path}"
        raise UsageError(what, fix="go to a folder that exists, or write the whole path")
    return Path(os.path.realpath(cwd / path if cwd else path))


def _blank_around_key(env: Mapping[str, str]) -> Iterator[str]:
    key = env.get("XAI_API_KEY", "")
    if key.strip() and key != key.strip(api_key.BLANK):
        yield "XAI_API_KEY has white space around the key, which is left out"


def _unknown_in_env(env: Mapping[str, str]) -> Iterator[str]:
    known = {row.env for row in TABLE} | {file_variable(row) for row in TABLE if row.secret}
    for name in sorted(env):
        if name.startswith("RUNNER_") and name not in known | _NOT_SETTINGS:
            yield f"{name} is no setting{_did_you_mean(name, known)}"


def _unknown_in_file(file: Mapping[str, object], origin: str) -> Iterator[str]:
    known = {row.name for row in TABLE if row.toml}
    for row in TABLE:
        if row.name in file and row.name not in known:
            what = f"{origin} holds {row.name}, which comes from the environment alone"
            raise UsageError(what, fix=f"take it out, and set {row.env}")
    for name in sorted(set(file) - known):
        yield f"{name} in {origin} is no setting{_did_you_mean(name, known)}"


def _did_you_mean(name: str, known: set[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _check_combinations(values: Mapping[str, Any]) -> None:
    if (values["database_url"] is None) != (values["redis_url"] is None):
        names = ("RUNNER_DATABASE_URL", "RUNNER_REDIS_URL")
        there, missing = names if values["redis_url"] is None else names[::-1]
        what = f"{there} is set, {missing} is not: servers are shared both or not at all"
        raise UsageError(what, fix=f"set {missing} too, or neither of them")
    request_s = values["read_timeout_s"] + values["connect_timeout_s"]
    if request_s + _START_WITHIN_S_MIN > values["lease_s"]:
        what = "one request may take longer than a claim lasts, so two workers could send the same job"
        raise UsageError(what, fix="make RUNNER_LEASE_S a second longer than both timeouts together")
