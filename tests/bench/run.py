"""Runs benchmarks, prints their tables, and writes them to docs/benchmarks.md.

    make bench                        everything, under half an hour on two cores
    make bench ONLY=throughput        one measure; ONLY="polls small" takes several

Each figure is compared with a yardstick from the same run, so that the machine's speed does not count.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Figure

MEASURES: Final = (  # modules, in the order of the page; each has TITLE and measure(folder)
    "throughput",
    "budget",
    "limits",
    "limit_matrix",
    "polls",
    "million",
    "afterwards",
    "growth",
    "small",
    "fleet",
    "label",
)


def main() -> int:
    """Run the chosen measures; return 1 when a figure misses its limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=list(MEASURES), metavar="NAME")
    chosen = parser.parse_args().only or list(MEASURES)
    missed = False
    page.SCRATCH.mkdir(exist_ok=True)
    for name in MEASURES:
        if name in chosen:
            measure = importlib.import_module(name)
            began = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="bench.", dir=page.SCRATCH) as folder:
                figures: Sequence[Figure] = list(measure.measure(Path(folder)))
            page.keep(name, measure.TITLE, figures, time.monotonic() - began)
            sys.stdout.write(page.table(measure.TITLE, figures))
            sys.stdout.flush()
            missed |= any(figure.met is False for figure in figures)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
