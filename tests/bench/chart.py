"""A bar chart as SVG: a few numbers need no library, and a text file can be read in a diff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH, _HEIGHT, _BAR, _TOP, _BOTTOM = 640, 300, 90, 50, 40
_INK, _FILL = "#333333", "#4878a8"
_TEXT: Final = f'font-family="sans-serif" fill="{_INK}" text-anchor="middle"'


def bars(values: Mapping[int, float], title: str) -> str:
    """Draw one bar for each value, from zero, with its number on top and its key below."""
    most, step = max(values.values()), _WIDTH / len(values)
    parts = [f'<text x="{_WIDTH / 2:.0f}" y="22" font-size="13" {_TEXT}>{escape(title)}</text>']
    for at, (key, value) in enumerate(values.items()):
        middle, height = step * (at + 0.5), (_HEIGHT - _TOP - _BOTTOM) * value / most
        top = _HEIGHT - _BOTTOM - height
        parts += [
            (
                f'<rect x="{middle - _BAR / 2:.0f}" y="{top:.0f}" width="{_BAR}" height="{height:.0f}"'
                f' fill="{_FILL}"/>'
            ),
            f'<text x="{middle:.0f}" y="{top - 6:.0f}" font-size="12" {_TEXT}>{value:,.0f} µs</text>',
            f'<text x="{middle:.0f}" y="{_HEIGHT - 16}" font-size="12" {_TEXT}>{key:,}</text>',
        ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    )
