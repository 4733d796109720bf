"""Fixed stories of commands, and the bytes that each command prints: the content of the folder `held`.

Only the command line and files are used: a story depends on no module of the program.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from live_runner import LiveRunner, Simulator, wait_until
from masks import REFUSED, SERVING, WHILE_OUT, Masks
from servers import taken_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from live_runner import Command

INPUTS: Final = Path(__file__).parent / "inputs"
_DAY_S: Final = 86_400
_NEAR_MIDNIGHT_S: Final = 180
_WITHIN_S: Final = 240.0
_SIMULATOR_PORT: Final = 8787
_OUT: Final = ("out.jsonl", "out.errors.jsonl", "out.summary.json")

Masked = tuple[tuple[str, str], ...]


MODEL_LIMITS: Final = {"RUNNER_TEAM_RPM": "", "RUNNER_TEAM_TPM": ""}  # as where nothing is set


class Story:
    """Commands in one folder. `files`: their masked output, by the name of a held file."""

    def __init__(self, name: str, folder: Path, home: LiveRunner, simulator: Simulator) -> None:
        self.folder, self.home, self.simulator = folder, home, simulator
        self._name, self._transcript, self._masks = name, f"{name}.jsonl", Masks(folder)
        self.files: dict[str, bytes] = {self._transcript: b""}

    def run(self, line: str, code: int = 0, *, masks: Masked = (), home: LiveRunner | None = None) -> None:
        """Run `runner LINE --json`; add the line, its exit code and its stdout to the transcript."""
        self.look({line: code}, masks=masks, home=home)

    def look(self, lines: Mapping[str, int], *, masks: Masked = (), home: LiveRunner | None = None) -> None:
        """Run independent commands side by side; add them in the order given."""
        at = home or self.home
        started = [(line, code, at.start(*line.split(), "--json")) for line, code in lines.items()]
        for line, code, command in started:
            ended = command.wait(_WITHIN_S)
            assert ended == code, f"runner {line} ended with {ended}, not {code}:\n{command.output}"
            self._add(line, code, command.out.read_bytes(), masks)

    def pipe(self, file: str, line: str) -> None:
        """Run `runner LINE --json` with a file as stdin."""
        command = self.home.start_command(
            ["sh", "-c", f'exec "$0" -m runner {line} --json < "$1"', sys.executable, file]
        )
        assert command.wait(_WITHIN_S) == 0, command.output
        self._add(line, 0, command.out.read_bytes(), ())

    def plain(self, name: str, line: str) -> None:
        """Run `runner LINE`, whose stdout is for programs without `--json`, too; keep it in a file."""
        command = self.home.start(*line.split())
        assert command.wait(_WITHIN_S) == 0, command.output
        self.files[f"{self._name}.{name}"] = self._masks.apply(command.out.read_bytes())

    def keep(self, *names: str) -> None:
        """Keep files that a command wrote."""
        for name in names:
            self.files[f"{self._name}.{name}"] = self._masks.apply((self.folder / name).read_bytes())

    def wait_out(self, run: int, count: int) -> None:
        """Wait until the API has accepted so many jobs of a run, and their answers are out."""
        sql = f"SELECT COUNT(*) FROM jobs WHERE run_id = {run} AND state IN ('waiting', 'collecting')"
        wait_until(lambda: self.home.count(sql) == count, f"{count} answers of run {run} are out")

    def serve(self, line: str) -> Command:
        """Start a server, `runner LINE --json`; add the line that it prints when it is ready."""
        command = self.home.start(*line.split(), "--json")
        wait_until(lambda: command.out.read_bytes().endswith(b"\n"), f"{line} is ready", _WITHIN_S)
        self._add(line, None, command.out.read_bytes(), SERVING)
        return command

    def _add(self, line: str, code: int | None, out: bytes, masks: Iterable[tuple[str, str]]) -> None:
        head = json.dumps({"command": f"runner {line} --json", "exit": code})
        self.files[self._transcript] += head.encode() + b"\n" + self._masks.apply(out, masks)


@contextmanager
def begin(name: str, folder: Path, *flags: str, **env: str) -> Iterator[Story]:
    """Return an empty story in a folder with all inputs, beside a simulator that answers at once.

    `flags`: more of the simulator's.
    """
    left_s = _DAY_S - time.time() % _DAY_S
    if left_s < _NEAR_MIDNIGHT_S:  # costs are kept by the day (UTC)
        time.sleep(left_s + 1)
    for path in sorted(INPUTS.iterdir()):
        shutil.copy(path, folder)
    with (
        Simulator(folder, "--instant", *flags, seed=1) as simulator,
        LiveRunner(folder, simulator, **MODEL_LIMITS, **env) as home,
    ):
        yield Story(name, folder, home, simulator)


def nothing_yet(story: Story) -> None:
    """Set-up, job files, wrong commands, and runs that are loaded but never started."""
    with taken_port(_SIMULATOR_PORT):
        story.look({"doctor state-folder port database redis workers api --config": 0})
    story.look({"check jobs.jsonl": 0, "check bad.jsonl": 3, "check bad.jsonl --skip-bad --rpm 60": 0})
    story.look({"check jobs.jsonl --strict --expect-output 100 --model grok-4.5 --tpm none": 3})
    story.look({"check empty.jsonl": 3, "check none.jsonl": 2, "load bad.jsonl": 3})
    story.look({"status": 2, "show jobs good-1": 2, "list": 0, "costs": 0, "write 1": 2, "prune": 0})
    story.look({"frob": 2, "run jobs.jsonl --frob": 2, "run jobs.jsonl --budget 0": 2, "start": 2})
    story.look({"run jobs.jsonl --fail-on length,long": 2, "worker": 2, "run strange.jsonl --budget 5": 2})
    story.run("db upgrade")
    story.look({"db upgrade": 0, "load bad.jsonl --skip-bad --name some": 0})
    story.keep("bad.bad.jsonl")
    story.pipe("one.jsonl", "load -")
    story.look({"list": 0, "status": 0, "show some a": 0})
    story.look({"retry some": 2, "retry some --lost --failed": 2, "cancel some": 2})
    story.look({"cancel some --dry-run": 0, "pause some": 2, "prune --older-than 0s": 2})
    story.run("cancel some --yes")
    story.run("rm some --yes")


def whole_run(story: Story) -> None:
    """A run with every kind of answer, paused by a limit and resumed; then every view of it."""
    story.run("load jobs.jsonl")
    story.run("run jobs.jsonl --limit 4 -o out.jsonl", 8)
    story.keep(*_OUT)
    story.run("watch 1 --exit-status", 8)
    story.run("resume 1 --limit none", 1)
    story.run("run jobs.jsonl -o out.jsonl", 1)
    whole = story.folder / "whole"
    whole.mkdir()
    story.run("write 1 -o whole/out.jsonl")
    story.keep(*(f"whole/{name}" for name in _OUT))
    story.look({"status": 0, "list": 0, "check jobs.jsonl": 0})
    story.look({"jobs 1": 0, "jobs 1 --state failed --content": 0, "jobs 1 --flaw length": 0})
    story.look({f"show 1 {name}": 0 for name in ("good-2", "latest", "cut-2")})
    story.look({f"show 1 {name}": 0 for name in ("declined", "unsafe", "tool")})
    story.look({"summary 1 --ids length": 0, "summary 1 --ids nothing": 0})
    story.look({"costs": 0, "costs 1 --by model --by day": 0})
    story.plain("show.raw.json", "show 1 good-2 --raw")
    story.plain("costs.csv", "costs --csv")
    story.look({"show 1 good-9": 2, "status jobz": 2, "show 1 unsafe --raw": 2, "write 1 -o jobs.jsonl": 2})
    story.look({"retry 1 --failed --dry-run": 0, "retry 1 --held": 2, "retry 1 --failed": 2})
    story.run("retry 1 --failed --code safety --yes")
    story.run("start 1", 1)


def paused_runs(story: Story) -> None:
    """Runs paused by an unknown model, a budget, a refused key; then removed."""
    story.run("run strange.jsonl", 8, masks=REFUSED)
    story.run("status strange", masks=REFUSED)
    story.run("cancel strange --yes", masks=REFUSED)
    story.run("run one.jsonl -o out.jsonl --budget 0.001", 6)
    story.run("run slow.jsonl -o out.jsonl", 2)
    story.simulator.switch(key_revoked=True)
    story.look({"doctor api": 4})
    story.run("start 2 --budget none", 4, masks=REFUSED)
    story.simulator.switch(key_revoked=False)
    last = "--fail-on length,refusal --max-failures 1 --max-attempts 3"
    story.run(f"run one.jsonl -o out.jsonl {last}", masks=REFUSED)
    story.look({"pause one": 2, "start strange": 9, "cancel one --yes": 2}, masks=REFUSED)
    time.sleep(1.0)
    story.look({"rm 1 --dry-run": 0, "prune --older-than 1s --dry-run": 0})
    story.run("rm 1 --yes")
    story.run("prune --older-than 1s --yes")
    story.run("list")


def doubtful_answers(story: Story) -> None:
    """Failed, unreadable and lost answers, an unknown outcome, held jobs; an extra of each kind."""
    run = "run one.jsonl --new --max-attempts 2 --on-ambiguous hold"
    for number, (fault, code) in enumerate({"failed": 1, "garbage": 1, "lost": 1, "500_after": 1}.items(), 1):
        story.simulator.switch(faults={fault: 1.0})
        story.run(f"{run} --name {fault} -o {fault}.out.jsonl", code)
        story.keep(f"{fault}.out.errors.jsonl")
        story.look({f"show {number} only": 0})
    story.simulator.switch(faults={})
    story.look({"retry lost --lost --dry-run": 0, "retry 1 --failed --yes": 0})
    story.run("resume 1")
    story.look({"show 1 only": 0, "list": 0, "summary 1": 0})


def answers_out(story: Story) -> None:
    """A running run whose answers take an hour: left, paused, resumed, abandoned."""
    story.simulator.switch(median_s=3_600)
    story.run("load slow.jsonl")
    assert story.home.start("start", "1", "--detach").wait(_WITHIN_S) == 0
    story.wait_out(1, 3)
    story.run("start 1 --detach", masks=WHILE_OUT)  # at first it prints what the workers have done by then
    story.look({"status": 0, "watch 1 --timeout 1s --interval 1h": 7, "show 1 w-2": 0}, masks=WHILE_OUT)
    story.run("run slow.jsonl -o out.jsonl --timeout 1s", 7, masks=WHILE_OUT)
    story.run("rm 1 --yes", 2)
    story.run("pause 1", masks=WHILE_OUT)
    story.run("resume 1 --detach --rpm 600", masks=WHILE_OUT)
    story.run("write 1 -o out.jsonl", masks=WHILE_OUT)
    story.look({"cancel 1 --now --dry-run": 0}, masks=WHILE_OUT)
    story.run("cancel 1 --now --yes", masks=WHILE_OUT)
    story.run("retry 1 --cancelled --dry-run")


def shared_servers(story: Story, workers: Callable[[], int]) -> None:
    """The same with shared PostgreSQL and Redis: upgrade, servers, status, doctor.

    `workers` returns how many are on record.
    """
    story.run("list", 2)
    story.look({"db upgrade": 0})
    story.look({"db upgrade": 0, "status": 2, "doctor redis": 0})
    simulator, worker = story.serve("simulate --port 0 --seed 7"), story.serve("worker --processes 2 --beat")
    wait_until(lambda: workers() == 2, "both workers are on record", _WITHIN_S)  # one makes a server ready
    story.run("load one.jsonl")
    story.look({"status": 0, "doctor database workers": 0})
    for server in (simulator, worker):
        server.process.terminate()
        assert server.wait(_WITHIN_S) in (0, 143), server.output
