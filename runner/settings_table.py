"""The table of all settings: names, flag, default, unit and meaning of each, and how its value is read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from runner.rules import api_key
from runner.rules.numbers import NumberError, parse_count, parse_decimal
from runner.rules.secret import Secret
from runner.rules.servers import server_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RATE_MAX: Final = 10**9  # requests or tokens a minute
NO_LIMIT: Final = 0  # `none`, of a rate


class WrongValueError(ValueError):
    """What is wrong with a value. Its text ends a sentence that begins with the setting's name."""


class Setting(NamedTuple):
    """One setting."""

    name: str  # also its toml key, and its field in `Settings`
    env: str  # its environment variable
    read: Callable[[object], object]  # returns the checked value; raises WrongValueError
    default: object
    meaning: str  # for users
    unit: str = ""
    flag: str = ""  # as error messages and `sources` name it
    toml: bool = True  # whether a toml file may set it
    secret: bool = False  # not shown; a file may hold it (`file_variable`)


def _list(value: object) -> tuple[str, ...]:
    return tuple(word for word in (part.strip().lower() for part in str(value).split(",")) if word)


def _boolean(value: object) -> bool:
    word = str(value).strip().lower()
    if word not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise WrongValueError("is neither true nor false")
    return word in {"1", "true", "yes", "on"}


def _one_of(words: tuple[str, ...], value: object) -> str:
    word = str(value).strip().lower()
    if word not in words:
        raise WrongValueError(f"is none of {', '.join(words)}")
    return word


def _count(low: int, high: int, value: object) -> int:
    return int(_within(low, high, value if type(value) is int else parse_count(_text(value))))


def _decimal(low: float, high: float, value: object) -> float:
    is_number = type(value) in (int, float)  # of TOML, which has a grammar of its own for them
    return _within(low, high, value if is_number else parse_decimal(_text(value)))


def read_rate(value: object) -> int:
    if isinstance(value, str) and value.strip().lower() == "none":
        return NO_LIMIT
    try:
        return _count(1, _RATE_MAX, value)
    except (NumberError, WrongValueError):
        raise WrongValueError(f"is neither none nor a whole number from 1 to {_RATE_MAX:,}") from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise WrongValueError("is no number, or no whole one")
    return value


def _within(low: float, high: float, value: Any) -> float:
    number = float(value)
    if not low <= number <= high:
        raise WrongValueError(f"is not from {low:g} to {high:g}")
    return number


def read_path(value: object) -> Path:
    if {"\0", "?"} & set(str(value)):
        raise WrongValueError("has a character that no path may have here (? or NUL)")
    return expanded(str(value))


def expanded(path: str) -> Path:
    """Return a path with its ~ replaced. Raises WrongValueError where that home folder is not known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise WrongValueError("begins with ~ for a home folder that is not known") from None


def _redis_url(value: object) -> str:
    url = str(value).strip()
    fault = server_url.redis_url_fault(url)
    if fault is not None:
        raise WrongValueError(fault)
    return url


def _api_key(value: object) -> Secret:
    key = str(value).strip(api_key.BLANK)
    fault = api_key.key_fault(key)
    if fault is not None:
        raise WrongValueError(fault)
    return Secret(key)


def _prices(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise WrongValueError("is no table")
    from runner.rules.prices import parse_own_prices

    parse_own_prices(value)  # raises UsageError for an invalid price
    return MappingProxyType(value)


TABLE: Final = (
    Setting("api_key", "XAI_API_KEY", _api_key, None, "the xAI API key", toml=False, secret=True),
    Setting("base_url", "XAI_BASE_URL", str, "https://api.x.ai/v1", "where the API is", toml=False),
    Setting("allow_http_hosts", "RUNNER_ALLOW_HTTP_HOST", _list, (), "hosts for plain http", toml=False),
    Setting("home", "RUNNER_HOME", read_path, None, "the state folder"),
    Setting("database_url", "RUNNER_DATABASE_URL", str, None, "the shared PostgreSQL", secret=True),
    Setting("redis_url", "RUNNER_REDIS_URL", _redis_url, None, "the shared Redis or Valkey", secret=True),
    Setting("output_dir", "RUNNER_OUTPUT_DIR", read_path, None, "where workers write finished runs"),
    Setting(
        "concurrency", "RUNNER_CONCURRENCY", partial(_count, 1, 512), 8, "HTTP requests in flight per process"
    ),
    Setting(
        "worker_processes",
        "RUNNER_WORKERS",
        partial(_count, 1, 64),
        None,
        "how many workers",
        flag="--processes",
    ),
    Setting(
        "lease_s", "RUNNER_LEASE_S", partial(_decimal, 1, 3600), 120.0, "how long a claim on a job lasts", "s"
    ),
    Setting(
        "turn_s", "RUNNER_TURN_S", partial(_decimal, 0.5, 60), 45.0, "how long a task works at a stretch", "s"
    ),
    Setting(
        "read_timeout_s",
        "RUNNER_READ_TIMEOUT_S",
        partial(_decimal, 0.1, 600),
        60.0,
        "how long a reply may take",
        "s",
    ),
    Setting(
        "connect_timeout_s",
        "RUNNER_CONNECT_TIMEOUT_S",
        partial(_decimal, 0.1, 600),
        10.0,
        "how long to connect",
        "s",
    ),
    Setting(
        "prompt_overhead_tokens",
        "RUNNER_PROMPT_OVERHEAD_TOKENS",
        partial(_count, 0, 100_000),
        None,
        "what the API adds to every prompt (not set: by the model)",
        "tokens",
    ),
    Setting(
        "charge_polls",
        "RUNNER_CHARGE_POLLS",
        partial(_one_of, ("auto", "always", "never")),
        "auto",
        "whether polls use up the request limit (auto: when the API refuses them)",
    ),
    Setting(
        "team_rpm",
        "RUNNER_TEAM_RPM",
        read_rate,
        None,
        "what the team may send to each model, a number or none (not set: by the model)",
        "requests a minute",
    ),
    Setting(
        "team_tpm",
        "RUNNER_TEAM_TPM",
        read_rate,
        None,
        "the same of tokens",
        "tokens a minute",
    ),
    Setting("prices", "", _prices, MappingProxyType({}), "your own prices by model"),
    Setting("debug", "RUNNER_DEBUG", _boolean, False, "tell more in the logs"),
)
