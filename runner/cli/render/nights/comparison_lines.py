"""A comparison of scores as lines of text, at most 80 columns wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runner.cli.render import text
from runner.rules.evaluation.forms.night_words import VERDICT_WORDS
from runner.rules.evaluation.plain_words import percent, points_change
from runner.rules.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from runner.rules.evaluation.gate.night_gate import GateOutcome
    from runner.rules.evaluation.gate.scores import Coverage, Pairing
    from runner.rules.statistics.comparison import Difference, Paired

_ITEMS_SHOWN: Final = 5
_NIGHTS_SHOWN: Final = 5
_NAME_LENGTH: Final = 30
_P_SHOWN: Final = 0.001


def verdict_line(name: str, nights: int, outcome: GateOutcome) -> str:
    """Return the line that names the verdict."""
    verdict = VERDICT_WORDS[outcome.verdict]
    words = f"{one_line(name, _NAME_LENGTH)} against {text.count(nights, 'night')}: {verdict}"
    notes = ["measured twice"] * outcome.is_repeated + ["provisional: few nights"] * outcome.is_provisional
    return f"{words} ({', '.join(notes)})" if notes else words


def comparison_lines(
    found: Difference, pairing: Pairing, sides: Sequence[tuple[str, Coverage]]
) -> Iterator[str]:
    """Yield the lines of a comparison; `sides` are both, each with its name and its coverage."""
    (first, _), (second, _) = sides
    low, high = found.interval()
    yield f"  score     {percent(found.mean)}, was {percent(found.base_mean)}"
    yield f"  change    {points_change(found.delta, low, high)}; {_chance(found)}"
    yield f"  items     {found.items:,} in both; {_moved(pairing.pairs)}"
    for name, only in ((first, pairing.only_first), (second, pairing.only_second)):
        if only:
            yield f"            {len(only):,} only in {one_line(name, _NAME_LENGTH)}"
    for name, side in sides:
        if side.measured < side.answers:
            yield from _unmeasured(name, side)
    worst = sorted(pairing.pairs.items(), key=lambda pair: pair[1].delta)[:_ITEMS_SHOWN]
    for item, pair in worst:
        if pair.delta < 0:
            yield f"  worse     {one_line(item, _NAME_LENGTH)}: {_mean(pair)}, was {_base_mean(pair)}"


def left_out_lines(names: Sequence[str]) -> Iterator[str]:
    """Yield the lines that name the nights that were not counted."""
    for name in names[:_NIGHTS_SHOWN]:
        yield f"  left out  {one_line(name, _NAME_LENGTH)}: no item with scores in common"
    if len(names) > _NIGHTS_SHOWN:
        yield f"            and {len(names) - _NIGHTS_SHOWN:,} more"


def _unmeasured(name: str, side: Coverage) -> Iterator[str]:
    yield f"  measured  {side.measured:,} of {side.answers:,} answers of {one_line(name, _NAME_LENGTH)};"
    yield f"            with the others {percent(side.low)} if wrong, {percent(side.high)} if right"


def _chance(found: Difference) -> str:
    """Return how often a change like this comes by chance alone."""
    p, word = (found.tails.lower, "a drop") if found.delta < 0 else (found.tails.upper, "a rise")
    shown = "< 0.001" if p < _P_SHOWN else f"{p:.3f}"
    return f"{word} like this by chance: p {shown}"


def _moved(pairs: Mapping[str, Paired]) -> str:
    worse = sum(pair.delta < 0 for pair in pairs.values())
    better = sum(pair.delta > 0 for pair in pairs.values())
    return f"{worse:,} worse, {better:,} better"


def _mean(pair: Paired) -> str:
    return _share(pair.score_sum, pair.answers)


def _base_mean(pair: Paired) -> str:
    return _share(pair.base_score_sum, pair.base_answers)


def _share(total: float, answers: int) -> str:
    return f"{total}/{answers}" if isinstance(total, int) else f"{total / answers:.2f}"
