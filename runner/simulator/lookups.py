"""Bodies of the read-only endpoints: models, prices, the API key, the tokens of a text."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runner.simulator.api_keys import UUID_NAMESPACE
from runner.simulator.usage import split_tokens

if TYPE_CHECKING:
    from runner.simulator.models import Model

EFFORTS = ("none", "low", "medium", "high", "xhigh")
KEY_CREATED_AT = "2026-01-05T09:00:00.000000Z"


def model_card(model: Model) -> dict[str, Any]:
    """Return an entry of /v1/models."""
    return {
        "id": model.id,
        "created": model.created,
        "object": "model",
        "owned_by": "xai",
        "aliases": list(model.aliases),
        "context_length": model.context,
        **_prices(model),
        "capabilities": _capabilities(model),
    }


def language_card(model: Model) -> dict[str, Any]:
    """Return an entry of /v1/language-models. Prices are in USD cents per 100 million tokens."""
    return {
        "id": model.id,
        "fingerprint": model.fingerprint,
        "created": model.created,
        "object": "model",
        "owned_by": "xai",
        "version": "1.0.0",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        **_prices(model),
        "search_price": 0,
        "aliases": list(model.aliases),
        "capabilities": _capabilities(model),
    }


def _prices(model: Model) -> dict[str, int]:
    """Return the prices of a card, those of long prompts included (OpenAPI types of xAI's TypeScript SDK)."""
    return {
        "prompt_text_token_price": model.price.fresh,
        "cached_prompt_text_token_price": model.price.cached,
        "prompt_image_token_price": model.price.fresh,
        "completion_text_token_price": model.price.output,
        "prompt_text_token_price_long_context": model.long_price.fresh,
        "cached_prompt_text_token_price_long_context": model.long_price.cached,
        "completion_text_token_price_long_context": model.long_price.output,
        "long_context_threshold": model.long_from,
    }


def _capabilities(model: Model) -> dict[str, Any]:
    efforts = [effort for effort in EFFORTS if effort in model.efforts]
    return {
        "reasoning_effort": efforts,
        "default_reasoning_effort": model.effort if efforts else None,
    }


def own_card(key: str, team: str) -> dict[str, Any]:
    """Return the body of /v1/me: the team of a key, its blocks, and that its data is retained."""
    card = key_card(key, team)
    blocks = {name: card[name] for name in ("team_blocked", "api_key_blocked", "api_key_disabled")}
    return {"user_id": card["user_id"], "team_id": team, "zdr_status": "no_zdr", **blocks}


def key_card(key: str, team: str) -> dict[str, Any]:
    """Return the body of /v1/api-key: the key redacted, its user and its team."""
    user = str(uuid.uuid5(UUID_NAMESPACE, f"user of {team}"))
    return {
        "redacted_api_key": f"xai-...{key[-4:]}",
        "user_id": user,
        "name": "simulated key",
        "create_time": KEY_CREATED_AT,
        "modify_time": KEY_CREATED_AT,
        "modified_by": user,
        "team_id": team,
        "acls": ["api-key:model:*", "api-key:endpoint:*"],
        "api_key_id": str(uuid.uuid5(UUID_NAMESPACE, f"id of {key}")),
        "team_blocked": False,
        "api_key_blocked": False,
        "api_key_disabled": False,
    }


def token_list(text: str) -> dict[str, Any]:
    """Return the body of /v1/tokenize-text, with the tokens as this simulator counts them."""
    return {
        "token_ids": [
            {
                "token_id": int.from_bytes(token),
                "string_token": token.decode(errors="replace"),
                "token_bytes": list(token),
            }
            for token in split_tokens(text)
        ]
    }
