"""Every command that a text of the program names can be typed: it exists, with these flags and arguments.

All strings of the package are read: errors with their fix, endings, explanations, help texts with examples.
What a text leaves open is written in capitals (RUN, USD) or filled in by the program.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest

from runner.cli.main import ROWS, cli
from runner.cli.render.runs.ending_text import idle_reason, paused_lines
from runner.cli.render.suggestions import RefusedModelNames, RetryCost, suggestion_lines
from runner.cli.snapshot import Snapshot
from runner.db.runs.run_row import RunOptions, RunRow
from runner.db.runs.run_snapshot import RunSnapshot
from runner.db.workers.workers import Heartbeats
from runner.rules.explain import SENTENCES
from runner.rules.states import JobState, PauseReason, RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2] / "runner"
FILLED_IN: Final = "1"  # stands for what an f-string fills in: an id, a name, a number
OPEN: Final = {
    "USD": "20",
    "N": "5",
    "FLAW": "length",
    "TIME": "90s",
    "SHELL": "bash",
    "COMMAND": "run",
}  # others are taken as they are
COMMANDS: Final = {row.name for row in ROWS}
OF_OTHER_PROGRAMS: Final = {"--node"}  # of `python -m runner.worker`, which the engine starts
STRICT: Final = re.compile(r"--?[a-z][a-z-]*|[A-Z][A-Z_-]*|\d+|-|…")
MENTION: Final = re.compile(r"(?<![\w./-])runner ([^\n`;,()'\"]+)")
FLAG: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every string; what an f-string fills in is FILLED_IN."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    } - {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in inside:
                yield node.lineno, text
            case ast.JoinedStr(values=values) if id(node) not in inside:
                yield (
                    node.lineno,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else FILLED_IN for part in values
                    ),
                )


def typed(text: str) -> Iterator[list[str]]:
    """Yield the words of each command that a text names: a whole line, or a mention in a sentence."""
    for line in text.splitlines():
        if line.startswith("  ") and line.strip().startswith("runner "):  # an example in a help text
            example = re.split(r" [|>&]|  +", line.strip())[0]
            yield shlex.split(example)[1:]
            continue
        for found in MENTION.finditer(line):
            words = found[1].rstrip(".:").split()
            yield words[:1] + words_of(words)


def words_of(words: list[str]) -> list[str]:
    """Return the words after the name of the command that belong to it, in a sentence."""
    kept: list[str] = []
    for word in (one.rstrip(".:") for one in words[1:]):
        is_value = bool(kept) and takes_value(words[0], kept[-1])
        if not (STRICT.fullmatch(word) or is_value or (words[0], word) == ("db", "upgrade")):
            break
        kept.append(word)
    return kept


def takes_value(name: str, flag: str) -> bool:
    """Return whether a flag of a command is followed by its value."""
    if name not in COMMANDS:
        return False
    found = [one for one in command_of(name).params if flag in one.opts]
    return bool(found) and not getattr(found[0], "is_flag", True)


def command_of(name: str) -> click.Command:
    """Return a command by its name."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, name
    return found


def fault_of(words: list[str]) -> str:
    """Return why a command cannot be typed; "" if it can. One that is only named, without its words, can."""
    name, rest = OPEN.get(words[0], words[0]), [OPEN.get(word, word) for word in words[1:]]
    if name not in COMMANDS:
        return f"there is no command {name}" if rest else ""
    if not rest:
        return ""
    if rest[-1].startswith("--") and takes_value(name, rest[-1]):
        rest.append(FILLED_IN)  # the text ends here, and the program adds the value
    try:
        command_of(name).make_context(name, rest, parent=click.Context(cli, **cli.context_settings)).close()
    except click.exceptions.Exit:
        return ""
    except click.UsageError as error:
        return error.format_message()
    return ""


def faults_in(text: str) -> list[str]:
    """Return what is wrong with the commands that a text names."""
    return [f"runner {shlex.join(words)}: {fault}" for words in typed(text) if (fault := fault_of(words))]


def all_flags() -> set[str]:
    """Return the long flags of all commands."""
    found = {"--help", "--version"}
    for name in COMMANDS:
        command = command_of(name)
        inner = list(command.commands.values()) if isinstance(command, click.Group) else []
        params = [param for one in (command, *inner) for param in one.params]
        found |= {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
    return found


def sources() -> list[Path]:
    """Return the files whose texts are read."""
    return [path for path in sorted(ROOT.rglob("*.py")) if ROOT / "simulator" not in path.parents]


def test_every_command_in_a_text_can_be_typed() -> None:
    """Name, flags and arguments are taken by the command's own parser."""
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {fault}"
        for path in sources()
        for line, text in texts(path)
        for fault in faults_in(text)
    ]
    assert not faults, "\n".join(faults)


def test_every_flag_in_a_sentence_is_one_of_a_command() -> None:
    """Also where the sentence does not name the command."""
    known = all_flags() | OF_OTHER_PROGRAMS
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {flag}"
        for path in sources()
        for line, text in texts(path)
        if " " in text
        for flag in FLAG.findall(text)
        if flag not in known
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("then: runner resume 3 --budget USD", 0),
        ("to list them: runner summary 1 --ids length", 0),
        ("then: runner retry 3 --flaw length", 0),
        ("runner retry RUN --lost buys it again", 0),
        ("runner has met a bug of its own", 0),
        ("`runner start` sends the jobs", 0),
        ("runner retry 7 --failed --code ", 0),
        ("then: runner resume 3 --budget", 0),
        ("runner db upgrade", 0),
        ("runner resume 3 --models x", 1),
        ("runner carryon 3", 1),
        ("runner pause 3 4", 1),
        ("runner cancel 3 --flaw longer", 1),
        ("  runner write reviews --output", 0),
        ("  runner write reviews --outptu x | head", 1),
    ],
)
def test_a_wrong_command_would_be_found(text: str, faults: int) -> None:
    """The check itself: flags, names of commands, too many arguments, values."""
    assert len(faults_in(text)) == faults


def paused(reason: PauseReason) -> Snapshot:
    """Return a paused run of three jobs."""
    run = RunRow(
        id=3, identity="", repetition=0, name="r", state=RunState.PAUSED, pause_reason=str(reason),
        pause_text="because", input_path="/r.jsonl", input_sha256="", output_path=None,
        options=RunOptions(), total=3, created_at_ms=0, started_at_ms=0, finished_at_ms=None,
    )  # fmt: skip
    counts: dict[tuple[str, str], int] = {("state", JobState.PENDING): 3}
    stored = RunSnapshot(as_of_ms=1, run=run, counts=counts, heartbeats=Heartbeats(0, None))
    return Snapshot(stored=stored, is_engine_alive=True)


@pytest.mark.parametrize("reason", PauseReason)
def test_each_pause_names_commands_that_can_be_typed(reason: PauseReason) -> None:
    """In the ending of a command, and in the line of `status`."""
    ending = paused_lines(paused(reason), "runner run jobs.jsonl --name r")
    line = idle_reason(paused(reason)) or ""

    for text in ("\n".join(ending), line):
        assert any(words[0] in ("run", "resume") for words in typed(text)), text
        assert faults_in(text) == []


def test_what_is_printed_of_held_jobs_can_be_typed() -> None:
    """Also for a model whose name a shell would read otherwise."""
    lines = suggestion_lines(
        3,
        lost=RetryCost(jobs=1, expired=1, known_ticks=5),
        held=RetryCost(jobs=4, model_refused=2, known_ticks=9),
        refused=RefusedModelNames(["gpt-4o", "a;b", "c", "d"], "grok-4.3"),
    )

    assert [words for line in lines for words in typed(line)] == [
        ["retry", "3", "--model", "gpt-4o", "--set-model", "grok-4.3"],
        ["cancel", "3", "--model", "gpt-4o"],
        ["retry", "3", "--model"],
        ["cancel", "3", "--model"],
        ["retry", "3", "--model", "c", "--set-model", "grok-4.3"],
        ["cancel", "3", "--model", "c"],
        ["retry", "3", "--lost"],
        ["retry", "3", "--held"],
    ]
    assert "--model 'a;b'" in lines[2]
    assert lines[6] == "… and 1 other model that the API refuses"


def test_explanations_name_commands_that_can_be_typed() -> None:
    """Each sentence is one line."""
    assert {code: faults for code, text in SENTENCES.items() if (faults := faults_in(text))} == {}
