"""No function, method or class of the package is more complex than 10, as radon counts."""

from __future__ import annotations

from pathlib import Path

from radon.complexity import cc_visit

ROOT = Path(__file__).parents[2] / "runner"
COMPLEXITY_MAX = 10


def complex_blocks(path: Path) -> dict[str, int]:
    """Return the blocks of a file that are over the limit, with the number of each."""
    return {
        f"{path.relative_to(ROOT)}: {block.fullname}": block.complexity
        for block in cc_visit(path.read_text("utf-8"))
        if block.complexity > COMPLEXITY_MAX
    }


def test_a_block_answers_one_question() -> None:
    """The message names the block and its number; `radon cc runner -n C -s` lists them too."""
    found = {
        name: number for path in sorted(ROOT.rglob("*.py")) for name, number in complex_blocks(path).items()
    }

    assert found == {}
