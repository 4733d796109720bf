"""Every `console` block of the README and the docs is run; what it shows is what the commands print.

A line that begins with `$ ` is a command, the others are what it prints on stdout: `…` stands for
anything, and numbers may be others. `exit=N` behind the word says with which code the last command ends.
The blocks of a page share one folder and one state folder.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_calls import engine_kept
from live_runner import KEY, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GENEROUS = ("--rpm", "60000", "--tpm", "100000000", "--median-s", "0.2")
FENCE = re.compile(r"^```console(?: exit=(\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if FENCE.search(path.read_text(encoding="utf-8"))
]
NOT_RUN_HERE = {  # what a newcomer types once, on a machine with a network and a key
    "make demo",
    "make test",
    "pip install .",
    "export XAI_API_KEY=xai-...",
    "runner run jobs/labels.jsonl -o out.jsonl",
    # the jobs of a refused model: tests/cli/test_cures.py types them
    "runner retry RUN --model gpt-4o-mini --set-model grok-4.3",
    "runner retry RUN --set-model grok-4.3",
    "runner cancel RUN --model gpt-4o-mini",
    "runner start RUN",
    # tests/evals/test_whole_nights.py runs a night of it
    "runner check jobs/questions.suite.toml",
    "runner eval jobs/questions.suite.toml",
    # tests/simulator/test_answer_file.py starts it
    "runner simulate --answers answers.jsonl --seed 7",
    """curl -X POST http://127.0.0.1:8787/_switch -d '{"shift": -0.05, "fingerprint": "fp_0000000002"}'""",
    # they need systemd for a user: tests/docs/test_operations.py reads them
    "systemctl --user enable --now questions.timer",
    "systemctl --user enable questions.service",
    "loginctl enable-linger",
}


@dataclass(frozen=True)
class Step:
    """A command, and what the page says that it prints."""

    command: str
    shown: str
    code: int


def steps(page: Path) -> Iterator[Step]:
    """Read a page's blocks."""
    for code, block in FENCE.findall(page.read_text(encoding="utf-8")):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        for nth, part in enumerate(parts):
            command, _, shown = part.partition("\n")
            yield Step(command, shown, int(code or 0) if nth == len(parts) - 1 else 0)


def pattern(shown: str) -> re.Pattern[str]:
    """Make what is shown a pattern; a line of its own that is `…` may be several lines, or none."""
    parts = []
    for line in shown.splitlines():
        if line == "…":
            parts.append("(?:.*\n)*?")
            continue
        words = re.sub(r"\d+", "0", line)
        parts.append(re.escape(words).replace("…", ".*").replace("0", r"[\d.,]+") + "\n")
    return re.compile("".join(parts))


@pytest.mark.timeout(900)  # a page has up to ten runs, each a process of its own
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_do_what_they_show(page: Path, tmp_path: Path) -> None:
    """In order, as a reader would type them."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    with (
        Simulator(tmp_path, *GENEROUS) as simulator,
        LiveRunner(tmp_path, simulator) as home,
        engine_kept(home.path),
    ):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RUNNER_", "XAI_"))}
        environment = kept | {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RUNNER_HOME": str(home.path),
            "XAI_API_KEY": KEY,
            "XAI_BASE_URL": simulator.url,
        }
        for step in steps(page):
            done = subprocess.run(
                ["bash", "-c", step.command],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=240,
            )
            said = f"$ {step.command}\n{done.stdout}\n{done.stderr}"
            assert done.returncode == step.code, said
            if step.shown:  # a command without output in the page is there for what it does
                assert pattern(step.shown).fullmatch(done.stdout), said


def test_what_is_not_run_is_known() -> None:
    """Blocks in `sh` are not run; there are few, and each is named here."""
    found = {
        line.partition("  #")[0].strip()
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        if page.name != "servers.md"  # its servers are those of tests/fleet
        for block in re.findall(
            r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
        for line in block.splitlines()
    }
    assert found == NOT_RUN_HERE


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository, where they are no addresses."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
