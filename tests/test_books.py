"""The summary's costs equal the simulator's books to the tick: all models, long prompts, images, retries,
and accepted requests whose result was never read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from live_runner import NO_LIMITS, LiveRunner, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG_PROMPT: Final = "word " * 170_000  # over 200,000 tokens
IMAGE: Final = {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}}
RETRIED: Final = ("submit:429=0.1", "503=0.05", "submit:reset_before=0.03", "fetch:429=0.05")
UNCERTAIN: Final = (  # too few to trip the circuit breaker
    *("lost=0.07", "cut=0.07", "garbage=0.08", "failed=0.1", "no_choices=0.06"),
    *("submit:500_after=0.07", "submit:reset_after=0.07"),
)
SMALL: Final[tuple[dict[str, Any], ...]] = (
    {"model": "grok-4.3"},
    {"model": "grok-4.3-latest", "reasoning_effort": "none"},
    {"model": "grok-4.5", "reasoning_effort": "high"},
    {"model": "grok-4.6", "max_completion_tokens": 5},
    {"model": "grok-4.7", "reasoning_effort": "xhigh"},
    {"model": "grok-4.20-reasoning"},
    {"model": "grok-4.20-non-reasoning"},
    {"model": "grok-build"},
    {"model": "grok-4"},
    {"model": "grok-4.3", "messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "?"}]}]},
)


def lines() -> Iterator[dict[str, Any]]:
    """Yield jobs of every kind, several times; the books name each by its `user`."""
    for round_ in range(6):
        for n, kind in enumerate(SMALL):
            name = f"j-{round_}-{n}"
            yield {"id": name, "user": name, "prompt": f"Tell of {name}."} | kind
    for model in ("grok-4.3", "grok-4.5"):
        yield {"id": f"long-{model}", "user": f"long-{model}", "prompt": LONG_PROMPT, "model": model}


def write(folder: Path) -> None:
    """Write the job file. A line with messages has no prompt."""
    with (folder / "jobs.jsonl").open("w", encoding="utf-8") as file:
        for line in lines():
            if "messages" in line:
                del line["prompt"]
            file.write(json.dumps(line) + "\n")


def simulator(folder: Path, faults: tuple[str, ...], *flags: str) -> Simulator:
    """Return a simulator without limits, with these faults."""
    words = (word for fault in faults for word in ("--fault", fault))
    return Simulator(folder, *NO_LIMITS, "--instant", *words, *flags, seed=5)


def cost_of(folder: Path) -> dict[str, Any]:
    """Return the object `cost` of the summary."""
    cost: dict[str, Any] = json.loads((folder / "out.summary.json").read_bytes())["cost"]
    return cost


@pytest.mark.parametrize("flags", [(), ("--no-ticks",)], ids=["reported", "by the table"])
def test_what_was_collected_costs_what_was_billed(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Each result is priced right, from the reported ticks or by the price table."""
    write(tmp_path)
    with simulator(tmp_path, RETRIED, *flags) as api, LiveRunner(tmp_path, api) as home:
        assert home.start().wait() == 0
        assert home.ledger_errors(api) == []
        books = api.books()
    cost = cost_of(tmp_path)
    used, unused = ("estimated_ticks", "reported_ticks") if flags else ("reported_ticks", "estimated_ticks")
    assert (cost[used], cost[unused]) == (books["ticks_fetched"], 0)
    assert cost["unknown_jobs"] == 0


def test_what_nobody_could_read_is_covered(tmp_path: Path) -> None:
    """Lost, cut, garbage, failed or never answered: each billed submission has an upper bound of its cost."""
    write(tmp_path)
    with simulator(tmp_path, UNCERTAIN) as api, LiveRunner(tmp_path, api) as home:
        command = home.start()
        assert command.wait() in (0, 1), command.output
        assert home.ledger_errors(api) == []
        books = api.books()
        assert {entry["outcome"] for entry in books["jobs"]} >= {
            *("lost", "cut", "garbage", "failed", "unanswered", "no_choices")
        }
        rows = home.query("SELECT request_id, possible_ticks FROM attempts WHERE possible_ticks IS NOT NULL")
    bounds = dict(rows)
    for entry in books["jobs"]:
        if entry["request_id"] in bounds:
            assert bounds[entry["request_id"]] >= entry["ticks"], entry
    cost = cost_of(tmp_path)
    assert cost["unknown_jobs"] == 0
    assert cost["reported_ticks"] + cost["possible_extra_ticks"] >= books["ticks_accepted"]
    assert cost["reported_ticks"] == books["ticks_fetched"]
