"""Remove each guard in a copy, run its tests, which must fail, and write the table to docs/guards.md.

`make guards` does all. `remove.py NAME…` does only the named guards and writes nothing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import altered_copy
import guards_page
from table import GUARDS, Guard

HEAD = """# How the tests are tested

Each guard of the promise was removed in a copy of the project. Then the tests that protect it were run, and
they must fail. `make guards` does this again and writes this page.

| guard | without it | removed in | tests | first test that fails |
|---|---|---|---|---|
"""


def take_away(guard: Guard) -> str | None:
    """Remove a guard in a copy; return the first test that failed, None when none did."""
    text = (altered_copy.ROOT / guard.file).read_text(encoding="utf-8")
    assert text.count(guard.old) == 1, (
        f"{guard.name}: {guard.file} holds its text {text.count(guard.old)} times"
    )
    first = altered_copy.first_failure(guard.file, text.replace(guard.old, guard.new), guard.tests)
    if first is None:
        return None
    assert first.test != altered_copy.NOT_RUN, f"{guard.name}: {first.test}"
    assert not first.hangs, f"{guard.name}: hangs, {first.test}"
    return first.test


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
        shown = guards_page.test_name(first or "none")
        words = re.sub(r" -m '[^']*'", "", guard.tests)
        rows.append(f"| {guard.name} | {guard.without_it} | `{guard.file}` | `{words}` | {shown} |\n")
    if not wanted and not missed:
        guards_page.write_promised(HEAD + "".join(rows))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
