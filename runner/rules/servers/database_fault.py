"""What is wrong with a database, as a sentence for the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatabaseFault:
    """What is wrong with a database. `state` ends the sentence "the database …".

    `passes`: it may be mended while workers wait for it. `is_setting`: RUNNER_DATABASE_URL has to change.
    """

    state: str
    fix: str
    passes: bool = True
    is_setting: bool = False
