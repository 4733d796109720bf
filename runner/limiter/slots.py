"""A slot is the right to send one request, from a given time on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Send not before `fire_at`, a time of the limiter's clock; then `confirm` or `release` it.

    The id is "" without limits.
    """

    id: str
    bucket: str
    fire_at: float


def slot_id(call_id: str, nth: int, tokens: int, run: int | None) -> str:
    """Return the id of a slot (round_trip.lua). With a `run` that run's own bucket has the slot as well."""
    return f"{call_id}:{nth}:{tokens}" if run is None else f"{call_id}:{nth}@{run}:{tokens}"


def tokens_of(slot_id: str) -> int:
    """Return the tokens that a slot reserved: its id ends with them."""
    return int(slot_id.rpartition(":")[2])


def run_of(slot_id: str) -> int | None:
    """Return the run whose own bucket has the slot; None if no run's has."""
    _, _, named = slot_id.partition("@")
    return int(named.partition(":")[0]) if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Slots for the first of the requested tokens; `retry_after_s`: when to request the rest, None if all.

    `is_own_limit`: it was the run's own limit that granted no more, and not one that other runs share.
    `cost`: how many minutes of the model's limits the slots use (`RateLimits.minutes_of`).
    """

    slots: list[Slot]
    retry_after_s: float | None
    is_own_limit: bool = False
    cost: float = 0.0
