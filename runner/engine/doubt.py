"""What an attempt may have cost whose answer nobody will read."""

from __future__ import annotations

from datetime import UTC, datetime

from runner.rules import money

OUTPUT_TOKENS_GUESS = 1_000
SAFETY_FEE_TICKS = 5 * 10**8  # $0.05 a violating request (xAI's pricing page); see docs/decisions/0011


def possible_ticks(model: str, prompt_tokens: int, output_tokens_max: int | None, now_ms: int) -> int:
    """Estimate the ticks of such an attempt; 0 for a model without a price."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    price = money.estimate(prompt_tokens, min(output_tokens_max or OUTPUT_TOKENS_GUESS, 100_000), model, at)
    return price.ticks or 0


def refusal_ticks(code: str) -> int:
    """Give what a refusal may have cost: xAI may charge for a prompt that its safety check refused."""
    return SAFETY_FEE_TICKS if code == "safety" else 0
