"""What answers that could not be read may have cost, in words: probably, and at most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.cli.render import text

if TYPE_CHECKING:
    from runner.rules.summary_object import RunCost


def uncertain_cost_sentences(cost: RunCost) -> list[str]:
    """Return what may come on top of a summary's known cost; [] where all could be read."""
    unread, possible = cost.unread, cost.possible_extra_ticks
    hidden = unread.unavailable_ticks
    causes = [
        *([f"{text.count(unread.answers, 'answer')} that nobody could read"] if unread.answers else []),
        *(
            [f"fees for {text.count(unread.refused_prompts, 'refused prompt')}"]
            if unread.refused_prompts
            else []
        ),
    ]
    sentences = []
    if possible:
        amounts = amounts_more(cost.probable_extra_ticks - hidden, possible)
        sentences.append(f"{amounts}, for {' and '.join(causes) or 'what nobody could read'}")
    if hidden:
        refusals = text.count(unread.unavailable, "reply of 503", "replies of 503")
        sentences.append(f"about {text.dollars(hidden)} more, if {refusals} hid a paid answer")
    return sentences


def amounts_more(probable_ticks: int, possible_ticks: int) -> str:
    """Return a probable and a possible amount: `about $0.03 more, at most $1.77`."""
    possible_ticks = max(probable_ticks, possible_ticks)
    if not probable_ticks:
        return f"at most {text.dollars(possible_ticks)} more"
    if probable_ticks == possible_ticks:
        return f"about {text.dollars(probable_ticks)} more"
    return f"about {text.dollars(probable_ticks)} more, at most {text.dollars(possible_ticks)}"
