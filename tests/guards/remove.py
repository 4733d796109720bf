"""Remove each guard in a copy, run its tests, which must fail, and write the table to docs/guards.md.

`make guards` does all. `remove.py NAME…` does only the named guards and writes nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from table import GUARDS, Guard

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guards.md"
HEAD = """# How the tests are tested

Each guard of the promise was removed in a copy of the project. Then the tests that protect it were run, and
they must fail. `make guards` does this again and writes this page.

| guard | without it | removed in | tests | first test that fails |
|---|---|---|---|---|
"""


def copy(folder: Path) -> None:
    """Copy all files that git tracks or does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def run(folder: Path, guard: Guard) -> tuple[int, str]:
    """Run a guard's tests in a copy; return pytest's exit code and the first test that failed."""
    env = os.environ | {
        "PYTHONPATH": f"{folder}",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / ".hypothesis"),
    }
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *shlex.split(guard.tests)]
    done = subprocess.run(
        words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=900
    )
    found = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    return done.returncode, found[1] if found else done.stdout[-2000:] + done.stderr[-2000:]


def take_away(guard: Guard) -> str | None:
    """Remove a guard in a copy; return the first test that failed, None when none did."""
    with tempfile.TemporaryDirectory(prefix="guard") as name:
        folder = Path(name)
        copy(folder)
        path = folder / guard.file
        text = path.read_text(encoding="utf-8")
        assert text.count(guard.old) == 1, (
            f"{guard.name}: {guard.file} holds its text {text.count(guard.old)} times"
        )
        path.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
        code, first = run(folder, guard)
        assert code in (0, 1), f"{guard.name}: the tests could not be run: {first}"
        return first if code == 1 else None


def main() -> int:
    """Check all guards; return 1 when the tests of one still pass without it."""
    wanted = sys.argv[1:]
    rows, missed = [], 0
    for guard in GUARDS:
        if wanted and guard.name not in wanted:
            continue
        first = take_away(guard)
        missed += first is None
        sys.stdout.write(f"{guard.name}: {first or 'NO TEST MISSES IT'}\n")
        sys.stdout.flush()
        shown = re.sub(r"\[.*", "", (first or "none").replace("::", " "))
        words = re.sub(r" -m '[^']*'", "", guard.tests)
        rows.append(f"| {guard.name} | {guard.without_it} | `{guard.file}` | `{words}` | {shown} |\n")
    if not wanted and not missed:
        PAGE.write_text(HEAD + "".join(rows), encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
