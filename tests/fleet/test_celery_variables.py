"""Variables that Celery reads from the environment have no influence on this program's workers."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import billiard  # type: ignore[import-untyped]
import celery
import kombu
import pytest
from live_runner import NO_LIMITS, RUN, LiveRunner, Simulator, write_jobs

from runner import celery_variables

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts import Fleet

CELERY: Final = (str(Path(sys.executable).parent / "celery"), "-A", "runner.worker")
NOWHERE: Final = "redis://127.0.0.1:1/0"
HOSTILE: Final = {
    "CELERY_BROKER_URL": NOWHERE,
    "CELERY_BROKER_READ_URL": "amqp://guest@127.0.0.1:1//",
    "CELERY_BROKER_WRITE_URL": "sqs://",
    "CELERY_RESULT_BACKEND": "no-such-backend://",
    "CELERY_CONFIG_MODULE": "no_such_module",
    "CELERY_LOADER": "no.such:Loader",
    "CELERY_CUSTOM_WORKER_POOL": "no.such:Pool",
    "CELERY_WORKER_REVOKES_MAX": "many",
    "CELERY_LOG_LEVEL": "loud",
    "CELERY_TRACE_APP": "1",
    "FORKED_BY_MULTIPROCESSING": "1",
    "DJANGO_SETTINGS_MODULE": "no_such_site.settings",
    "PICKLE_PROTOCOL": "new",
    "KOMBU_LOG_DEBUG": "1",
    "C_STRICT_APP": "1",
}
# Read by Celery when it is imported, before it imports any app.
READ_AT_IMPORT: Final = (
    *("PICKLE_PROTOCOL", "CELERY_WORKER_REVOKES_MAX", "CELERY_CUSTOM_WORKER_POOL"),
    *("C_STRICT_APP", "KOMBU_LOG_DEBUG"),
)
# What the libraries look up and this program must not remove: the system's, or of parts that are not used.
NOT_CELERYS: Final = {"ITERM_PROFILE", "TERM", "NUMBER_OF_PROCESSORS", "PUBSUB_EMULATOR_HOST", "C_FORCE_ROOT"}
_LOOKUP: Final = re.compile(r"(?:environ\.get\(|environ\[|getenv\(|_env\()\s*['\"]([A-Za-z_]+)['\"]")


def looked_up() -> set[str]:
    """Return the names of variables that the installed libraries look up, by their source."""
    names: set[str] = set()
    for library in (celery, kombu, billiard):
        for path in Path(str(library.__file__)).parent.rglob("*.py"):
            parts = path.parts
            if not {"contrib", "tests", "transport"} & set(parts):
                names |= set(_LOOKUP.findall(path.read_text(encoding="utf-8")))
    return names


def test_all_that_the_installed_libraries_look_up_is_known() -> None:
    """A new version may look up more."""
    names = looked_up()
    assert {"CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_CONFIG_MODULE", "PICKLE_PROTOCOL"} <= names
    assert set(celery_variables.without(dict.fromkeys(names, "x"))) <= NOT_CELERYS


def test_only_these_are_removed() -> None:
    """The rest of an environment stays, and the names of this program with it."""
    env = {"PATH": "/bin", "XAI_API_KEY": "k", "RUNNER_HOME": "/h", "HTTPS_PROXY": "p", "C_FORCE_ROOT": "1"}
    assert celery_variables.without({**env, **HOSTILE}) == env
    both = {**env, **HOSTILE}
    celery_variables.remove(both)
    assert both == env


def test_no_variable_reaches_the_embedded_workers(tmp_path: Path) -> None:
    """All hostile ones together."""
    with (
        Simulator(tmp_path, *NO_LIMITS, "--instant") as simulator,
        LiveRunner(tmp_path, simulator, **HOSTILE) as home,
    ):
        write_jobs(tmp_path / "jobs.jsonl", 3)
        command = home.start(*RUN)
        assert command.wait() == 0, command.output
        again = home.start("start", "1", "--detach")
        assert again.wait() == 0, again.output


@pytest.mark.parametrize("how", ["runner worker", "celery"])
def test_no_variable_reaches_the_workers_of_shared_servers(how: str, fleet: Callable[..., Fleet]) -> None:
    """`runner worker`, and plain Celery, which has read some of them before it imports the app."""
    env = dict(HOSTILE)
    for name in READ_AT_IMPORT if how == "celery" else ():
        del env[name]
    made = fleet()
    host = made.host("a", **env)
    write_jobs(host.folder / "jobs.jsonl", 5)
    if how == "celery":
        worker = host.start_command([*CELERY, "worker", "-n", "native@%h", "--loglevel", "WARNING"])
    else:
        worker = host.start("worker", "--beat")
    command = host.start(*RUN)
    assert command.wait() == 0, command.output + worker.output
    assert host.ledger_errors(made.simulator) == []
