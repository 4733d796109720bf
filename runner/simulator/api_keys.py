"""Authentication: API keys and the team of each key."""

from __future__ import annotations

import uuid

from runner.simulator.replies import Refusal

UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "api.x.ai")


class ApiKeys:
    """The accepted keys. If `keys` is empty, any key that starts with xai- is accepted."""

    def __init__(self, keys: tuple[str, ...], team: str | None) -> None:
        self._keys = frozenset(keys)
        self._team = team
        self._teams: dict[str, str] = {}  # by Authorization header, of accepted keys

    def team_of(self, authorization: str | None, *, revoked: bool) -> str:
        """Return the team id. Raise Refusal: 401 without a bearer key, 400 for a wrong one, as the API."""
        team = self._teams.get(authorization or "")
        if team is None or revoked:
            team = self._authenticate(authorization or "", revoked=revoked)
        return team

    def _authenticate(self, authorization: str, *, revoked: bool) -> str:
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
        team = self._teams[authorization] = self._team or str(uuid.uuid5(UUID_NAMESPACE, key))
        return team


def redact(key: str) -> str:
    """Return the first and the last two characters of the key, as the API shows it."""
    return f"{key[:2]}***{key[-2:]}"
