"""Draw guards of runner/engine and runner/limiter by a seed, replace each condition by False, run its room.

A guard is an `if` or `elif` whose block ends with `return`, `raise`, `continue` or `break`. The tests of its
room (tests/engine or tests/limiter) should turn red without it. `make guards` draws 20 and writes the table
to docs/guards.md. A guard that stays green is told with its text: either a test is missing, or the code does
the same without it (an equivalent mutant), which a person decides.

A test gets 60 s, and all tests of a room altered_copy.WITHIN_S. Longer, and the guard is `red (hangs)`: code
that waits for ever without its guard is noticed as well.

Other folders are drawn from when they are named: `random_guards.py --count 8 runner/db runner/rules/sending`.
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent))

import altered_copy
import guards_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from altered_copy import Failure

FOLDERS: Final = ("runner/engine", "runner/limiter")
COUNT: Final = 20
EXITS: Final = (ast.Return, ast.Raise, ast.Continue, ast.Break)
HEAD: Final = f"""{guards_page.DRAWN}
{{count}} guards of `runner/engine` and `runner/limiter`, drawn by seed {{seed}}. Each condition was replaced
by `False` in a copy, and the tests of its room were run. {{red}} of {{count}} turned them red.
`make guards SEED={{seed}}` does this again.

| file | line | guard | tests of its room | first test that fails |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGuard:
    """The condition of an `if`: its text, and where it stands in `source`, in characters from its start.

    `instead` takes its place: False, after the condition where that gives names a value (`:=`).
    """

    file: str
    line: int
    text: str
    instead: str
    source: str
    start: int
    end: int

    @property
    def tests(self) -> str:
        """Return the pytest arguments of its room.

        A test that hangs ends its process, which must not be replaced: xdist would wait for the new one, and
        with -x for ever.
        """
        flags = "-m 'not soak' -p no:randomly -n 2 --dist loadgroup -o timeout=60 -o timeout_method=thread"
        return f"tests/{Path(self.file).parts[1]} {flags} --max-worker-restart=0"

    def without(self) -> str:
        """Return the file's text with a condition that is never true."""
        return self.source[: self.start] + self.instead + self.source[self.end :]


def guards_in(file: str, source: str) -> Iterator[FoundGuard]:
    """Yield the guards of a module from its first line to its last."""
    starts = [0]  # of each line
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = source.splitlines()

    def place(line: int, byte: int) -> int:
        """Return the characters before a place that `ast` names by line and by bytes of UTF-8 in it."""
        return starts[line - 1] + len(lines[line - 1].encode()[:byte].decode())

    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        test = node.test
        if not isinstance(node.body[-1], EXITS) or test.end_lineno is None or test.end_col_offset is None:
            continue
        yield FoundGuard(
            file=file,
            line=test.lineno,
            text=ast.unparse(test),
            instead=f"({ast.unparse(test)}) and False" if names_values(test) else "False",
            source=source,
            start=place(test.lineno, test.col_offset),
            end=place(test.end_lineno, test.end_col_offset),
        )


def names_values(test: ast.expr) -> bool:
    """Return whether a condition gives a name a value, which the code after it may use."""
    return any(isinstance(node, ast.NamedExpr) for node in ast.walk(test))


def all_guards(folders: Sequence[str] = FOLDERS) -> list[FoundGuard]:
    """Return the guards of folders and those in them, in the order of their files and lines."""
    root = altered_copy.ROOT
    return [
        guard
        for folder in folders
        for path in sorted((root / folder).rglob("*.py"))
        for guard in guards_in(f"{path.relative_to(root)}", path.read_text(encoding="utf-8"))
    ]


def draw(guards: Sequence[FoundGuard], seed: int, count: int) -> list[FoundGuard]:
    """Return `count` different guards by a seed, in the order of their files and lines."""
    chosen = random.Random(seed).sample(guards, min(count, len(guards)))
    return sorted(chosen, key=lambda guard: (guard.file, guard.start))


def outcome_of(first: Failure | None) -> str:
    """Return red when a test failed or did not end, green when all passed."""
    if first is None:
        return "green"
    return "red (hangs)" if first.hangs else "red"


def part_of_page(seed: int, outcomes: Sequence[tuple[FoundGuard, Failure | None]]) -> str:
    """Return the part of docs/guards.md with the guards and the first test that failed without each."""
    rows = [
        f"| `{guard.file}` | {guard.line} | `{guards_page.cell(guard.text)}`"
        f" | {outcome_of(first)} | {guards_page.test_name(first.test if first else 'none')} |\n"
        for guard, first in outcomes
    ]
    red = sum(first is not None for _, first in outcomes)
    return HEAD.format(seed=seed, count=len(outcomes), red=red) + "".join(rows)


def main() -> int:
    """Print the seed and each outcome; write the page when neither COUNT nor FOLDERS were changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", default=FOLDERS, help="other folders write no page")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--count", type=int, default=COUNT, help="another number writes no page")
    asked = parser.parse_args()
    guards = all_guards(asked.folders)
    chosen = draw(guards, asked.seed, asked.count)
    sys.stdout.write(f"seed {asked.seed}: {len(chosen)} of {len(guards)} guards\n")
    outcomes: list[tuple[FoundGuard, Failure | None]] = []
    for guard in chosen:
        first = altered_copy.first_failure(guard.file, guard.without(), guard.tests)
        outcomes.append((guard, first))
        outcome = f"{outcome_of(first)}, {first.test}" if first else "GREEN"
        sys.stdout.write(f"{guard.file}:{guard.line}: if {guard.text}: {outcome}\n")
        sys.stdout.flush()
    if asked.count == COUNT and asked.folders == FOLDERS:
        guards_page.write_drawn(part_of_page(asked.seed, outcomes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
