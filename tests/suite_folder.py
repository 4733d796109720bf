"""A folder with a suite of sums, and the answers that the simulator gives to its questions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

ITEMS: Final = 24
EPOCHS: Final = 2
SUITE: Final = """\
name = "sums"
items = "items.jsonl"
epochs = {epochs}
timezone = "UTC"

[subject]
model = "grok-4.3"
system = "Answer with the number alone."

[[grader]]
name = "correct"
type = "exact"

[[grader]]
name = "short"
type = "length"
unit = "characters"
at_most = 12
"""


def write_suite(folder: Path, *, items: int = ITEMS, epochs: int = EPOCHS, right: float = 0.9) -> Path:
    """Write sums.suite.toml, items.jsonl and answers.jsonl; return the suite's path."""
    folder.mkdir(exist_ok=True)
    with (folder / "items.jsonl").open("w") as lines, (folder / "answers.jsonl").open("w") as answers:
        for number in range(items):
            text, target = f"What is {number} + {number * 7 + 1}?", str(number * 8 + 1)
            lines.write(json.dumps({"id": f"sum-{number:03d}", "prompt": text, "target": target}) + "\n")
            answers.write(
                json.dumps({"text": text, "answers": {target: right, "I do not know that one": 1 - right}})
                + "\n"
            )
    suite = folder / "sums.suite.toml"
    suite.write_text(SUITE.format(epochs=epochs))
    return suite
