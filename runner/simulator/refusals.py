"""What chat completions and the list of models refuse, in the words of xAI."""

from __future__ import annotations

from runner.simulator.replies import Refusal


def unavailable() -> Refusal:
    """Return the 503 of a service that is down."""
    return Refusal(503, "unavailable", "The service is temporarily unavailable.")


def no_such_model(slug: str, team: str) -> Refusal:
    """Return the 404 of an unknown model."""
    return Refusal(404, "not-found", f"The model {slug} does not exist or your team {team} may not use it.")


def no_such_result(request_id: str) -> Refusal:
    """Return the 404 of a result that was never there, was handed out, or has expired."""
    return Refusal(404, "not-found", f"No deferred completion found for request id {request_id}.")


def unsafe(team: str) -> Refusal:
    """Return the 403 of the safety check."""
    message = f"Content violates usage guidelines. Team: {team}, Failed check: SAFETY_CHECK_TYPE_CYBER"
    return Refusal(403, "permission-denied", message)


def no_credits(team: str, status: int) -> Refusal:
    """Return the 403 or 429 of a team without credits."""
    code = "permission-denied" if status == 403 else "resource-exhausted"
    message = (
        f"Your team {team} has either used all available credits or reached its monthly spending limit. "
        "Purchase more credits or raise the limit to continue."
    )
    return Refusal(status, code, message)
