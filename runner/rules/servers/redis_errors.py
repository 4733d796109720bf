"""What an error of Redis or Valkey means to a user: what is wrong with the server, and the cure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RedisFault:
    """What is wrong with a Redis server. `state` ends the sentence "Redis …"."""

    state: str
    fix: str


# The rights that runner and Celery need. INFO is among the dangerous commands.
_GRANT: Final = "in redis-cli: ACL SETUSER {user} ~* +@all -@admin -@dangerous +info"
NO_RIGHTS: Final = RedisFault("does not give its user the rights that are needed", _GRANT)
RENAMED: Final = RedisFault(
    "lacks a command that is needed",
    "take its rename-command out of the configuration of the server, or name another one in RUNNER_REDIS_URL",
)
REPLICA: Final = RedisFault("is a replica, which takes no writes", "name the primary in RUNNER_REDIS_URL")
CLUSTER: Final = RedisFault(
    "is a cluster, and one server is needed: the queues of workers lie in several slots",
    "name a server with cluster-enabled no in RUNNER_REDIS_URL",
)
SENTINEL: Final = RedisFault("is a sentinel, which keeps no data", "name the primary in RUNNER_REDIS_URL")
AWAY: Final = RedisFault("does not answer", "start it, or correct RUNNER_REDIS_URL")
NOT_REBUILT: Final = RedisFault(
    "was emptied, and cannot be filled again without the database",
    "start the database; runner doctor shows what is wrong with it",
)
_LOGIN: Final = RedisFault("does not let us in", "correct user and password in RUNNER_REDIS_URL")
_WORDS: Final = (  # (part of the message in lower case, what it means); the first that is there holds
    ("no permissions", NO_RIGHTS),
    ("can't run this command", NO_RIGHTS),  # of a script
    ("unknown command", RENAMED),
    ("unknown redis command", RENAMED),  # of a script
    ("noperm", NO_RIGHTS),
    ("read only replica", REPLICA),
    ("readonly", REPLICA),
    ("crossslot", CLUSTER),
    ("moved", CLUSTER),
    ("hash to the same slot", CLUSTER),
    ("invalid username-password", _LOGIN),
    ("wrongpass", _LOGIN),
    ("authentication required", _LOGIN),
    ("already authenticated", _LOGIN),  # HELLO must be called so
    ("noauth", _LOGIN),
    ("without any password configured", _LOGIN),
    ("invalid password", _LOGIN),
    ("index is out of range", RedisFault("has no database of that number", "write /0 in RUNNER_REDIS_URL")),
    ("'maxmemory'", RedisFault("is full", "raise its maxmemory")),
    (
        "misconf",
        RedisFault("cannot save its data", "see its log, and whether its disk is full"),
    ),
    ("loading", RedisFault("is loading its data", "give the same command again in a moment")),
    ("max number of clients", RedisFault("has no connection left", "raise its maxclients")),
    (
        "wrong version number",
        RedisFault("does not speak TLS", "write redis:// in RUNNER_REDIS_URL, or turn TLS on at the server"),
    ),
    (
        "certificate verify failed",
        RedisFault(
            "shows a certificate that is not trusted",
            "name the file of its authority with ssl_ca_certs in RUNNER_REDIS_URL",
        ),
    ),
    (
        "name or service not known",
        RedisFault("is not found: its host has no address", "correct the host in RUNNER_REDIS_URL"),
    ),
)


def fault_of(message: str) -> RedisFault:
    """Return what the message of an error means."""
    lower = message.lower()
    return next((fault for part, fault in _WORDS if part in lower), AWAY)
