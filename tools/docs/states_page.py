"""docs/states.md: the states of jobs and runs, and the moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.rules.states import FINAL, JOB_MEANING, TRANSITIONS, JobState, RunState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.rules.states import Transition

RUN_MEANING: Final[Mapping[RunState, str]] = {
    RunState.LOADING: "its lines are being read; nothing of it is sent",
    RunState.READY: "loaded whole; not started",
    RunState.RUNNING: "jobs are sent and collected",
    RunState.WAITING: "a service or the API is down; probes go on and it continues by itself",
    RunState.PAUSED: "a person is needed; nothing is sent, collecting goes on",
    RunState.FINISHED: "every job has its end, or is held for a person",
    RunState.CANCELLED: "the user ended it: nothing is sent, collecting goes on until nothing is out",
    RunState.REMOVING: "`runner rm` deletes it; what a crash left of it is deleted by the same command",
}


def markdown() -> str:
    """Return the text of docs/states.md."""
    lines = [
        "# States",
        "",
        "Generated from `runner/rules/states.py` by `make docs`; do not edit.",
        "",
        "## A job",
        "",
        "| state | meaning |",
        "|---|---|",
        *(f"| `{state}` | {JOB_MEANING[state]} |" for state in JobState),
        "",
        "A move marked *fenced* also needs the lease (`lease_gen`) under which it was decided;",
        "without it no row changes, and that is a normal answer.",
        "",
        "| event | from | to | fenced | what happened |",
        "|---|---|---|---|---|",
        *(_line(row) for row in TRANSITIONS.values()),
        "",
        "*Unreadable* is a reply: the answer may still be at the API, so it is asked for again; nothing",
        "is spent. *Unusable* is an answer: it was paid, asking again brings the same; an attempt is spent.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> pending",
        *(
            f"    {source} --> {target}: {row.event}"
            for row in TRANSITIONS.values()
            for source in _ordered(row.sources)
            for target in _ordered(row.targets)
        ),
        *(f"    {state} --> [*]" for state in _ordered(FINAL)),
        "```",
        "",
        "## A run",
        "",
        "| state | meaning |",
        "|---|---|",
        *(f"| `{state}` | {RUN_MEANING[state]} |" for state in RunState),
        "",
    ]
    return "\n".join(lines)


def _line(row: Transition) -> str:
    sources, targets = ", ".join(_ordered(row.sources)), ", ".join(_ordered(row.targets))
    return f"| {row.event} | {sources} | {targets} | {'yes' if row.fenced else ''} | {row.meaning} |"


def _ordered(states: frozenset[JobState]) -> list[JobState]:
    return [state for state in JobState if state in states]
