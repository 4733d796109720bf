"""All checks of `runner doctor`: each reads one thing, changes nothing, and never raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.doctor import machine_checks, service_checks
from runner.cli.doctor.diagnosis import Diagnosis, failed
from runner.rules.advice import Advice
from runner.rules.errors import UserError
from runner.rules.redact import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from runner.settings import Settings

_TEXT_LENGTH: Final = 300
_CHECKS: Final[tuple[tuple[str, Callable[[Settings], Iterator[Diagnosis]]], ...]] = (
    ("state folder", machine_checks.state_folder),
    ("open files", machine_checks.open_files),
    ("port", machine_checks.simulator_port),
    ("database", service_checks.database),
    ("redis", service_checks.redis),
    ("workers", service_checks.workers),
    ("api", service_checks.api),
)


NAMES: Final = tuple(name.replace(" ", "-") for name, _ in _CHECKS)


def all_checks(settings: Settings, names: Collection[str] = ()) -> Iterator[Diagnosis]:
    """Run all checks, or only the named ones, and yield their outcomes."""
    secrets = settings.secrets
    for name, check in _CHECKS:
        if names and name.replace(" ", "-") not in names:
            continue
        try:
            yield from check(settings)
        except Exception as error:  # noqa: BLE001 - doctor must work when all else fails
            what, fix = _advice(error)
            what = one_line(redact(what, secrets), _TEXT_LENGTH)
            yield failed("api key" if settings.api_key is None and name == "api" else name, Advice(what, fix))


def _advice(error: Exception) -> Advice:
    """Return what happened and the fix, as the command that meets the error prints them."""
    from runner.api.request_failed import RequestFailed

    if isinstance(error, UserError):
        return Advice("; ".join((error.what, *error.where)), error.fix)
    if isinstance(error, RequestFailed):
        return Advice(error.advice.what, error.advice.fix or "check the network, and status.x.ai")
    return Advice(f"{type(error).__name__}: {error}", "this is not expected; see the words above")
