"""The reply to `/v1/api-key` decides whether anything is sent, and under which team's limits."""

from __future__ import annotations

import pytest

from runner.rules.key_standing import Standing, standing
from runner.rules.reply import Reply

WRONG = b'{"code":"invalid-argument","error":"Incorrect API key provided: xa***ey."}'
BLOCKED = b'{"code":"permission-denied","error":"Your team t-1 is blocked."}'
ROWS = [  # HTTP status, body, team, blocked -> key status
    (200, b"{}", "t-1", False, Standing.TOLD),
    (200, b"{}", "t-1", True, Standing.REFUSED),
    (200, b"{}", None, True, Standing.REFUSED),
    (200, b"<html>", None, False, Standing.UNTOLD),
    (204, b"", None, False, Standing.UNTOLD),
    (400, WRONG, None, False, Standing.REFUSED),
    (400, b"{}", None, False, Standing.UNTOLD),
    (401, b"", None, False, Standing.REFUSED),
    (403, BLOCKED, None, False, Standing.REFUSED),
    (403, WRONG, None, False, Standing.REFUSED),
    (403, b'{"error":"The key may not use this endpoint."}', None, False, Standing.UNTOLD),
    (404, b"", None, False, Standing.UNTOLD),
    (405, b"", None, False, Standing.UNTOLD),
    (302, b"", None, False, Standing.LATER),
    (408, b"", None, False, Standing.LATER),
    (429, b"", None, False, Standing.LATER),
    (500, b"", None, False, Standing.LATER),
    (501, b"", None, False, Standing.UNTOLD),
    (503, b"", None, False, Standing.LATER),
    (524, b"<html>", None, False, Standing.LATER),
]


@pytest.mark.parametrize(("status", "body", "team_id", "blocked", "expected"), ROWS)
def test_the_reply_decides_the_status_of_the_key(
    status: int, body: bytes, team_id: str | None, blocked: bool, expected: Standing
) -> None:
    """Only a clear refusal of the key stops the run; an API without the endpoint does not."""
    found, message = standing(Reply(status=status, headers={}, body=body), team_id=team_id, blocked=blocked)
    assert found is expected
    assert message or expected not in (Standing.REFUSED, Standing.LATER)
