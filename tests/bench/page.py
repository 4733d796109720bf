"""Writes docs/benchmarks.md: each run replaces the marked blocks of its measures."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from figures import Figure

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "benchmarks.md"
SCRATCH: Final = ROOT / ".bench"  # on a disk: /tmp may be memory


def table(title: str, figures: Sequence[Figure]) -> str:
    """Return figures as a Markdown table with aligned columns."""
    head = ("what", "measured", "yardstick", "asked", "")
    rows = [head, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, " | ".join("-" * max(width, 3) for width in widths))
    return f"\n{title}\n\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def keep(name: str, title: str, figures: Sequence[Figure], took_s: float) -> None:
    """Replace the block of one measure in the page, if the page has one."""
    block = (
        f"<!-- {name} -->\n{table(title, figures).lstrip()}\n"
        f"`make bench ONLY={name}`, {datetime.now(UTC):%Y-%m-%d}, {took_s:.0f} s; {machine()}.\n"
        f"<!-- /{name} -->"
    )
    place = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    PAGE.write_text(place.sub(lambda _: block, PAGE.read_text("utf-8")), "utf-8")


def machine() -> str:
    """Return a description of this machine."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    gib = f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "?"
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores ({model[1].strip() if model else platform.machine()}), {gib},"
        f" Linux {platform.release()}, Python {platform.python_version()}"
    )


def _cells(figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    many = f" [x{figure.runs}]" if figure.runs > 1 else ""
    return figure.what, figure.found + many, figure.beside, figure.asked, met
