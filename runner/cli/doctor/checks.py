"""All checks of `runner doctor`: each reads one thing, changes nothing, and never raises."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from runner.cli.doctor import machine_checks, service_checks
from runner.cli.doctor.asked_database import AskedDatabase
from runner.cli.doctor.diagnosis import Diagnosis, failed
from runner.rules.advice import Advice
from runner.rules.errors import UserError
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from runner.settings import Settings

_TEXT_LENGTH: Final = 300
NAMES: Final = ("state-folder", "open-files", "port", "database", "redis", "workers", "api")


def all_checks(settings: Settings, names: Collection[str] = ()) -> Iterator[Diagnosis]:
    """Run all checks, or only the named ones, and yield their outcomes."""
    secrets = settings.secrets
    for name, check in zip(NAMES, _checks(settings), strict=True):
        if names and name not in names:
            continue
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - doctor must work when all else fails
            what, fix = _advice(error)
            what = one_line(redact(what, secrets), _TEXT_LENGTH)
            shown = "api key" if settings.api_key is None and name == "api" else name.replace("-", " ")
            yield failed(shown, Advice(what, fix))


def _checks(settings: Settings) -> Iterator[Callable[[], Iterator[Diagnosis]]]:
    """Yield the checks, in the order of NAMES."""
    asked = AskedDatabase(settings)
    yield partial(machine_checks.state_folder, settings)
    yield partial(machine_checks.open_files, settings)
    yield machine_checks.simulator_port
    yield partial(service_checks.database, settings, asked)
    yield partial(service_checks.redis, settings)
    yield partial(service_checks.workers, settings, asked)
    yield partial(service_checks.api, settings, asked)


def _advice(error: Exception) -> Advice:
    """Return what happened and the fix, as the command that meets the error prints them."""
    from runner.api.request_failed import RequestFailed
    from runner.embedded import system_errors

    error = system_errors.known(error) or error
    if isinstance(error, UserError):
        return Advice("; ".join((error.what, *error.where)), error.fix)
    if isinstance(error, RequestFailed):
        return Advice(error.advice.what, error.advice.fix or "check the network, and status.x.ai")
    return Advice(f"{type(error).__name__}: {error}", "this is not expected; see the words above")
