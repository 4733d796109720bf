"""The reply to `/v1/api-key` decides whether anything is sent, and under which team's limits."""

from __future__ import annotations

import pytest

from runner.rules.replies.key_status import KeyStatus, key_status
from runner.rules.replies.reply import Reply

WRONG = b'{"code":"invalid-argument","error":"Incorrect API key provided: xa***ey."}'
BLOCKED = b'{"code":"permission-denied","error":"Your team t-1 is blocked."}'
ROWS = [  # HTTP status, body, team, blocked -> key status
    (200, b"{}", "t-1", False, KeyStatus.TEAM_KNOWN),
    (200, b"{}", "t-1", True, KeyStatus.REFUSED),
    (200, b"{}", None, True, KeyStatus.REFUSED),
    (200, b"<html>", None, False, KeyStatus.RETRY_LATER),
    (204, b"", None, False, KeyStatus.TEAM_UNKNOWN),
    (400, WRONG, None, False, KeyStatus.REFUSED),
    (400, b"{}", None, False, KeyStatus.TEAM_UNKNOWN),
    (401, b"", None, False, KeyStatus.REFUSED),
    (403, BLOCKED, None, False, KeyStatus.REFUSED),
    (403, WRONG, None, False, KeyStatus.REFUSED),
    (403, b'{"error":"The key may not use this endpoint."}', None, False, KeyStatus.TEAM_UNKNOWN),
    (403, b"<html>blocked</html>", None, False, KeyStatus.RETRY_LATER),
    (404, b"", None, False, KeyStatus.NO_ENDPOINT),
    (404, b'{"code":"not-found","error":"There is no endpoint here."}', None, False, KeyStatus.NO_ENDPOINT),
    (404, b"<html>", None, False, KeyStatus.NO_ENDPOINT),
    (405, b"", None, False, KeyStatus.NO_ENDPOINT),
    (409, b"", None, False, KeyStatus.RETRY_LATER),
    (521, b"<html>", None, False, KeyStatus.RETRY_LATER),
    (302, b"", None, False, KeyStatus.RETRY_LATER),
    (408, b"", None, False, KeyStatus.RETRY_LATER),
    (429, b"", None, False, KeyStatus.RETRY_LATER),
    (500, b"", None, False, KeyStatus.RETRY_LATER),
    (501, b"", None, False, KeyStatus.TEAM_UNKNOWN),
    (503, b"", None, False, KeyStatus.RETRY_LATER),
    (524, b"<html>", None, False, KeyStatus.RETRY_LATER),
]


@pytest.mark.parametrize(("status", "body", "team_id", "blocked", "expected"), ROWS)
def test_the_reply_decides_the_status_of_the_key(
    status: int, body: bytes, team_id: str | None, blocked: bool, expected: KeyStatus
) -> None:
    """Only a clear refusal of the key stops the run; an API without the endpoint does not."""
    found, message = key_status(
        Reply(status=status, headers={}, body=body), team_id=team_id, blocked=blocked, secrets=()
    )
    assert found is expected
    assert message or expected not in (KeyStatus.REFUSED, KeyStatus.RETRY_LATER)
