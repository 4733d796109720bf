"""The name of a run in a column of a screen."""

from __future__ import annotations

from runner.cli.render import text_cells
from runner.rules.occasion import stem_of


def short_name(name: str, occasion: str | None, width: int) -> str:
    """Return a name cut to `width` cells; of a run of an occasion the stem is cut, so that nights differ.

    It is whole where the occasion alone is as wide.
    """
    stem = stem_of(name, occasion)
    end = name[len(stem) :]
    if text_cells.width(name) <= width or text_cells.width(end) >= width:
        return name
    return f"{text_cells.with_ellipsis(stem, width - text_cells.width(end))}{end}"
