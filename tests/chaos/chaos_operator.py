"""An operator in chaos rounds: gives commands to runs at work, and checks that the trail tells them all.

Each command has a `--reason` of its own, by which its events are found. Some commands are killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chaos_faults import Fault

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from chaos_setups import EmbeddedSetup
    from live_runner import Command

KILLED_SHARE: Final = 0.25
OPTIONS: Final = (
    *(("--rpm", "1500"), ("--rpm", "none"), ("--rpm", "900", "--tpm", "2000000"), ("--tpm", "none")),
    *(("--max-waiting", "20"), ("--max-waiting", "50000"), ("--max-attempts", "60"), ("--budget", "500")),
)
TEAM_LIMITS: Final = (("--rpm", "1200"), ("--rpm", "none"), ("--tpm", "3000000"), ("--tpm", "none"))
LATE_S: Final = 60.0  # beside servers that do not answer, a command waits for them
EVENTS: Final = """
SELECT id, kind, old, new, reason, run_id FROM run_events WHERE actor IS NOT NULL
UNION ALL SELECT id, kind, old, new, reason, NULL FROM operator_events
WHERE cause <> 'a worker started with changed settings' ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A command that was given. `is_killed`: it was killed, or did not end in time."""

    reason: str
    words: tuple[str, ...]
    command: Command
    is_killed: bool

    @property
    def has_changed(self) -> bool | None:
        """Return whether the command said that it changed something; None where it did not say."""
        if self.is_killed or self.command.process.returncode:
            return None
        with contextlib.suppress(ValueError):
            said = json.loads(self.command.out.read_text())
            return bool(said["changed"]) if "changed" in said else None
        return None


class Operator:
    """Gives commands to the run of a setup, and keeps what was given."""

    def __init__(self) -> None:
        self.given: list[Given] = []

    def sets_an_option(self, setup: EmbeddedSetup, chance: random.Random) -> None:
        """Change an option of the run."""
        self._give(setup, chance, "set", "1", *chance.choice(OPTIONS), "--json")

    def sets_a_team_limit(self, setup: EmbeddedSetup, chance: random.Random) -> None:
        """Change a limit of the team."""
        self._give(setup, chance, "set", "--team", *chance.choice(TEAM_LIMITS), "--json")

    def pauses_the_run(self, setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None]:
        """Pause the run, then let it go on."""
        self._give(setup, chance, "pause", "1")
        return lambda: self._give(setup, chance, "resume", "1", "--detach")

    def pauses_all_runs(self, setup: EmbeddedSetup, chance: random.Random) -> Callable[[], None]:
        """Pause all runs, then let them go on."""
        self._give(setup, chance, "pause", "--all", "--yes")
        return lambda: self._give(setup, chance, "resume", "--all", "--yes")

    def drains_a_worker(self, setup: EmbeddedSetup, chance: random.Random) -> None:
        """Let one of the workers that are alive drain."""
        rows = setup.home.query("SELECT node FROM workers WHERE ended_at_ms IS NULL")
        if rows:
            self._give(setup, chance, "workers", "drain", str(chance.choice(rows)[0]), "--yes")

    def _give(self, setup: EmbeddedSetup, chance: random.Random, *words: str) -> None:
        """Give a command, and wait for it or kill it."""
        reason = f"command {len(self.given) + 1}"
        command = setup.home.start(*words, "--reason", reason)
        is_killed = chance.random() < KILLED_SHARE
        until = time.monotonic() + (chance.uniform(0.1, 1.5) if is_killed else LATE_S)
        while command.process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        if command.process.poll() is None:
            is_killed = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(command.pid, signal.SIGKILL)
            command.process.wait()
        self.given.append(
            Given(
                reason=reason,
                words=words,
                command=command,
                is_killed=is_killed and command.process.returncode < 0,
            )
        )


def trail_errors(setup: EmbeddedSetup, given: Sequence[Given]) -> list[str]:
    """Return where the trail does not agree with the commands that were given, or with the run's options.

    A command that said that it changed something has one event, one that was killed has one or none.
    """
    rows = [
        (kind, json.loads(old or "{}"), json.loads(new or "{}"), reason, run_id)
        for _, kind, old, new, reason, run_id in setup.home.query(EVENTS)
    ]
    wrong = []
    for one in given:
        found = [kind for kind, _, _, reason, _ in rows if reason == one.reason]
        expected = {True: {1}, False: {0}, None: {0, 1}}[one.has_changed]
        if len(found) not in expected:
            wrong.append(f"{one.words} left the events {found}; it printed: {one.command.output[-300:]}")
    return wrong + _broken_chains([(old, new) for _, old, new, _, run_id in rows if run_id == 1], setup)


def _broken_chains(
    changes: Sequence[tuple[dict[str, Any], dict[str, Any]]], setup: EmbeddedSetup
) -> list[str]:
    """Return the options whose changes do not follow from each other, or do not lead to what is kept."""
    ((options,),) = setup.home.query("SELECT options FROM runs WHERE id = 1")
    kept, wrong = json.loads(options), []
    last: dict[str, Any] = {}
    for old, new in changes:
        wrong += [
            f"{name} was {last[name]!r}, and an event says {old.get(name)!r}"
            for name in new.keys() & last.keys()
            if name in kept and old.get(name) != last[name]
        ]
        last |= new
    wrong += [
        f"{name} is {kept[name]!r}, and the trail says {last[name]!r}"
        for name in last.keys() & kept.keys()
        if kept[name] != last[name] and name != "on_end"
    ]
    return wrong


def operator_faults(operator: Operator, *, is_shared: bool) -> tuple[Fault, ...]:
    """Return what an operator does in a round."""
    everywhere = (
        Fault(name="option set", begin=operator.sets_an_option),
        Fault(name="option set", begin=operator.sets_an_option),
        Fault(name="team limit set", begin=operator.sets_a_team_limit),
        Fault(name="run paused", begin=operator.pauses_the_run, duration_s=(0.2, 2)),
        Fault(name="all paused", begin=operator.pauses_all_runs, duration_s=(0.2, 2)),
    )
    return (
        (*everywhere, Fault(name="worker drained", begin=operator.drains_a_worker))
        if is_shared
        else everywhere
    )
