"""Environment variables that Celery and its libraries read before an app's own settings.

They are meant for another program of the user: a worker would listen to its broker, in silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

# Every name that celery 5.6, kombu and billiard look up, apart from names that belong to the system.
_NAMES: Final = re.compile(
    r"CELERY.*|KOMBU_.*|_MP_FORK_.*|celery_dummy_proxy|C_(?!FORCE_ROOT$).*"
    r"|FORKED_BY_MULTIPROCESSING|MULTIPROCESSING_FORKING_DISABLE|MP_LOG|MP_MAIN_FILE|PICKLE_PROTOCOL"
    r"|EVENTLET_NOBLOCK|AUTOSCALE_KEEPALIVE|DISABLE_TRACEBACKS|USE_FAST_LOCALS|TIMER_DEBUG|REMAP_SIGTERM"
    r"|DJANGO_SETTINGS_MODULE|DJANGO_PROJECT_DIR|NOSETPS"
)


def without(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without these variables, for a child process."""
    return {name: value for name, value in env.items() if not _NAMES.fullmatch(name)}


def remove(env: MutableMapping[str, str]) -> None:
    """Remove these variables from an environment: this process's, before Celery's settings are read."""
    for name in [name for name in env if _NAMES.fullmatch(name)]:
        del env[name]
