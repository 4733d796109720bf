"""The table of guards is true to the code; guards drawn by chance are found and taken away as they should."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "guards"))

from random_guards import all_guards, draw, guards_in  # noqa: E402
from table import GUARDS, Guard  # noqa: E402

MODULE = """
def collect(jobs: list[str]) -> str:
    if not jobs:
        jobs = ["Ümläute"]
    for job in jobs:
        if "ü" in job: continue
        if job == "a":
            log(job)
        elif (
            job == "b"
            and len(jobs) > 1
        ):
            jobs.clear()
            break
        if (found := job.strip()) == "":
            raise ValueError(found)
    return "all"
"""


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_stands_where_it_says(guard: Guard) -> None:
    """Once, so that it can be taken away; `make guards` does that."""
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.old) == 1
    assert f"| {guard.name} |" in (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")


def test_a_guard_is_an_if_that_leaves_its_block() -> None:
    """Also an elif; without its condition only that is other, and a name that it gives stays."""
    guards = list(guards_in("runner/engine/x.py", MODULE))
    assert [(guard.line, guard.text) for guard in guards] == [
        (6, "'ü' in job"),
        (10, "job == 'b' and len(jobs) > 1"),
        (15, "(found := job.strip()) == ''"),
    ]
    first, second, third = (guard.without() for guard in guards)
    assert first == MODULE.replace('"ü" in job', "False")
    assert second == MODULE.replace('job == "b"\n            and len(jobs) > 1', "False")
    assert third == MODULE.replace('(found := job.strip()) == ""', "((found := job.strip()) == '') and False")


def test_guards_are_found_in_folders_of_folders_and_run_the_tests_of_their_room() -> None:
    """Else nearly none would be left to draw when a room gets folders."""
    guards = [guard for guard in all_guards() if guard.file.startswith("runner/engine/collecting/")]
    assert guards
    assert {guard.tests.split()[0] for guard in guards} == {"tests/engine"}


def test_a_seed_draws_the_same_guards_again() -> None:
    """And another one others; all can be taken away."""
    guards = all_guards()
    assert draw(guards, 7, 20) == draw(guards, 7, 20) != draw(guards, 8, 20)
    assert len(set(draw(guards, 7, 20))) == 20
    for guard in guards:
        compile(guard.without(), guard.file, "exec")
