"""What an error of Redis means: only a server that is away "does not answer"."""

from __future__ import annotations

import pytest

from runner.rules.servers.redis_errors import CLUSTER, NO_RIGHTS, RENAMED, REPLICA, fault_of

MESSAGES = (
    ("this user has no permissions to run the 'evalsha' command", NO_RIGHTS.state),
    ("unknown command 'EVALSHA', with args beginning with:", RENAMED.state),
    ("Unknown Redis command called from script script: 1f, on @user_script:1.", RENAMED.state),
    ("You can't write against a read only replica.", REPLICA.state),
    ("CROSSSLOT Keys in request don't hash to the same slot", CLUSTER.state),
    ("invalid username-password pair or user is disabled.", "does not let us in"),
    ("HELLO must be called with the client already authenticated", "does not let us in"),
    ("command not allowed when used memory > 'maxmemory'.", "is full"),
    ("MISCONF Redis is configured to save RDB snapshots", "cannot save its data"),
    ("DB index is out of range", "has no database of that number"),
    ("Error 111 connecting to 127.0.0.1:1. Connection refused.", "does not answer"),
)


@pytest.mark.parametrize(("message", "state"), MESSAGES)
def test_an_error_of_redis(message: str, state: str) -> None:
    """By its words; each has a cure."""
    assert fault_of(message).state == state
    assert fault_of(message).fix
