"""The wheel, installed outside the checkout, is complete: migrations, scripts, tables; and a run works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from live_runner import LiveRunner, Simulator, write_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT: Final = Path(__file__).parents[1]
LEFT_OUT: Final = ("docs", "jobs", "tools")
WITHIN_S: Final = 240


def call(*words: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; return its output."""
    output = cwd / "output.txt"
    with output.open("wb") as file:
        ended = subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            timeout=WITHIN_S,
            check=False,
        )
    assert ended.returncode == 0, output.read_text()
    return output.read_text()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the folders that it is made of, and of those that it leaves out."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in ("runner", "migrations", *LEFT_OUT):
        shutil.copytree(CHECKOUT / name, source / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    call(sys.executable, "-m", "pip", "wheel", source, "--no-deps", "-w", folder, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a new environment with this one's dependencies; return its python."""
    folder = tmp_path_factory.mktemp("installed")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", wheel, cwd=folder)
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[LiveRunner, Simulator]]:
    """Start a simulator, and use a state folder outside the checkout."""
    flags = ("--rpm", "none", "--tpm", "none", "--rps", "none", "--instant", "--announce-rpm", "6000")
    with Simulator(tmp_path, *flags) as simulator, LiveRunner(tmp_path, simulator) as home:
        yield home, simulator


def test_every_file_of_the_package_is_in_the_wheel(wheel: Path) -> None:
    """Lua, SQL, TOML, JSON and migrations are no modules of the package and are easily forgotten."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(CHECKOUT))
        for path in (CHECKOUT / "runner").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    wanted |= {
        f"runner/{path.relative_to(CHECKOUT)}"
        for path in (CHECKOUT / "migrations").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }

    assert wanted - inside == set()
    assert {path.rpartition(".")[2] for path in wanted} >= {"lua", "sql", "toml", "json", "py", "mako"}


def test_nothing_else_is_in_the_wheel(wheel: Path) -> None:
    """Tools, jobs and docs stay in the checkout; the package's metadata comes along."""
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}

    assert {name for name in folders if not name.endswith(".dist-info")} == {"runner"}


def test_an_installed_wheel_runs_jobs_from_anywhere(
    installed: Path, elsewhere: tuple[LiveRunner, Simulator], tmp_path: Path
) -> None:
    """No file of the checkout is needed: migrations, limiter and workers are in the wheel."""
    _, simulator = elsewhere
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNNER_", "XAI_", "PYTHON"))
    }
    env |= {
        "RUNNER_HOME": str(tmp_path / "home"),
        "XAI_API_KEY": "xai-of-the-wheel",
        "XAI_BASE_URL": simulator.url,
    }
    write_jobs(tmp_path / "five.jsonl", 5)
    where = call(installed, "-c", "import runner; print(runner.__file__)", cwd=tmp_path, env=env)
    assert Path(where.strip()).is_relative_to(installed.parents[1])

    call(installed.parent / "runner", "run", "five.jsonl", cwd=tmp_path, env=env)

    summary = json.loads((tmp_path / "five.results.summary.json").read_text())
    assert summary["counts"]["succeeded"] == 5
    assert len((tmp_path / "five.results.jsonl").read_text().splitlines()) == 5
