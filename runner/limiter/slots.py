"""A slot is the right to send one request, from a given time on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Send not before `fire_at` (loop time), then `confirm` or `release` it. The id is "" without limits."""

    id: str
    bucket: str
    fire_at: float


def tokens_of(slot_id: str) -> int:
    """Return the tokens that a slot reserved: its id ends with them (common.lua)."""
    return int(slot_id.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Slots for the first of the requested tokens; `retry_after_s`: when to request the rest, None if all."""

    slots: list[Slot]
    retry_after_s: float | None
