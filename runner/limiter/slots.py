"""Slots: the right to send one request, at one time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Send not before `fire_at` (loop time), then `confirm` or `release` it. No limits: an empty id."""

    id: str
    bucket: str
    tokens: int
    fire_at: float


def tokens_of(slot_id: str) -> int:
    """Read how many tokens a slot had reserved: its name ends with them (log.lua)."""
    return int(slot_id.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The slots granted to the first of what was asked for, and when to ask for the rest; None: got all."""

    slots: list[Slot]
    again_s: float | None
