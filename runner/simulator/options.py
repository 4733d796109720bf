"""Options that the simulator starts with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from runner.simulator.answer_file import AnswerFile
    from runner.simulator.limit_headers import HeaderForm
    from runner.simulator.switches import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One field per flag of `runner simulate`, whose help explains each. Port 0 is any free port."""

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    keys: tuple[str, ...] = ()
    team: str | None = None
    keep_retired: bool = False
    rpm: Limit = "catalogue"
    tpm: Limit = "catalogue"
    rps: Limit = "catalogue"
    polls_count: bool = False
    retry_after: float | None = None  # seconds
    announce_rpm: int | None = None
    announce_tpm: int | None = None
    headers: HeaderForm = "usual"
    median_s: float = 1.0
    sigma: float = 0.8
    submit_ms: float = 0.0
    clock_scale: float = 1.0
    hang_s: float = 75.0
    no_ticks: bool = False
    answers: AnswerFile | None = None
    skill: float | None = None
    shift: float = 0.0
    fingerprint: str | None = None
    faults: Mapping[str, float] = field(default_factory=dict)
    books: Path | None = None
