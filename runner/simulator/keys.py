"""Who asks: API keys, and the team a key belongs to."""

from __future__ import annotations

import uuid

from runner.simulator.replies import Refusal

SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "api.x.ai")


class Keys:
    """Tells the team of a request. Without named keys, anything that starts with xai- is one."""

    def __init__(self, keys: tuple[str, ...], team: str | None) -> None:
        self._keys = frozenset(keys)
        self._team = team
        self._teams: dict[str, str] = {}  # by the whole header, of keys found right

    def team_of(self, authorization: str | None, *, revoked: bool) -> str:
        """The team id; Refusal 401 without a bearer key, 400 with a wrong one, as the API does."""
        team = self._teams.get(authorization or "")
        if team is None or revoked:
            team = self._judge(authorization or "", revoked=revoked)
        return team

    def _judge(self, authorization: str, *, revoked: bool) -> str:
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Refusal(401, "unauthenticated", "No API key provided: send Authorization: Bearer <key>.")
        if revoked or not (key in self._keys if self._keys else key.startswith("xai-")):
            raise Refusal(
                400,
                "invalid-argument",
                f"Incorrect API key provided: {redact(key)}. "
                "You can obtain an API key from https://console.x.ai.",
            )
        team = self._teams[authorization] = self._team or str(uuid.uuid5(SPACE, key))
        return team


def redact(key: str) -> str:
    """The first and the last two characters, as the API shows a key."""
    return f"{key[:2]}***{key[-2:]}"
