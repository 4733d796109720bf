"""A worker that cannot start: only a bug has the exit code of one."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisIsAway

from runner.rules.errors import Bug
from runner.rules.exit_codes import ExitCode
from runner.worker import report_failed_start

ENDINGS = (
    (RedisIsAway("Connection refused"), ExitCode.UNREACHABLE),
    (OperationalError("Timeout reading"), ExitCode.UNREACHABLE),
    (Bug("none of the services is to blame"), ExitCode.BUG),
)


@pytest.mark.parametrize(("error", "code"), ENDINGS)
def test_the_exit_code_of_a_failed_start(error: Exception, code: ExitCode) -> None:
    """A Redis that is away is mended elsewhere."""
    assert report_failed_start(error) is code
