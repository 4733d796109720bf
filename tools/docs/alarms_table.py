"""The table of false alarms in docs/evals.md, from the rates that a simulation has kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = _ROOT / "docs" / "evals.md"
_RATES: Final = _ROOT / "tests" / "evals" / "gate_rates.json"
_BEGIN: Final = "<!-- begin of the false alarms: `make docs` writes them from tests/evals/gate_rates.json -->"
_END: Final = "<!-- end of the false alarms -->"
_MIXES: Final = {"hard": "in 3 %", "easy": "in 98 %", "mixed": "mixed"}


def markdown() -> str:
    """Return the text of docs/evals.md with the table between its two marks."""
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, mark, after = rest.partition(_END)
    if not mark:
        raise ValueError(f"{_PAGE} lacks the lines {_BEGIN} and {_END}")
    lines = _lines(json.loads(_RATES.read_text(encoding="utf-8")))
    return before + "\n".join([_BEGIN, "", *lines, "", _END]) + after


def _lines(rates: dict[str, dict[str, Any]]) -> list[str]:
    drop = rates["drop"]
    histories = min(rate["histories"] for name, rate in rates.items() if name != "drop")
    kinds = [(mix, items, epochs) for mix in _MIXES for items in (30, 200) for epochs in (1, 3)]
    first, within = (f"{100 * drop[key]:.1f} %" for key in ("first", "within_three"))
    return [
        f"Measured by at least {histories:,} histories of 90 unchanged nights for each number:",
        "",
        "| items are right | items | epochs | alarms a history | with noise | intervals hold the change |",
        "|---|---|---|---|---|---|",
        *(_line(rates, *kind) for kind in kinds),
        "",
        f"A drop of 5 points (mixed, 200 items, 3 epochs, no noise) was called in its first night in {first}",
        f"of {drop['histories']:,} histories, and within three nights in {within}.",
    ]


def _line(rates: dict[str, dict[str, Any]], mix: str, items: int, epochs: int) -> str:
    quiet, noisy = (rates[f"{mix}-{items}-{epochs}{end}"] for end in ("", "-noise"))
    least = min(quiet["covered"], noisy["covered"])
    return (
        f"| {_MIXES[mix]} | {items} | {epochs} | {quiet['alarms']:.2f} | {noisy['alarms']:.2f} "
        f"| {100 * least:.1f} % |"
    )
