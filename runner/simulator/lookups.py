"""Bodies of the read-only endpoints: models, prices, the API key, the tokens of a text.

Source of the fields: the API's OpenAPI types in xAI's TypeScript SDK, 2026.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runner.simulator.api_keys import UUID_NAMESPACE
from runner.simulator.models import ImageModel, Model
from runner.simulator.usage import split_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

EFFORTS = ("none", "low", "medium", "high", "xhigh")
KEY_CREATED_AT = "2026-01-05T09:00:00.000000Z"


def model_card(model: Model) -> dict[str, Any]:
    """Return an entry of /v1/models."""
    return {
        **_entry(model),
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
    """Return the prices of a card, those of long prompts included."""
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


def image_entry(model: ImageModel) -> dict[str, Any]:
    """Return an image model's entry of /v1/models."""
    return _entry(model)


def _entry(model: Model | ImageModel) -> dict[str, Any]:
    """Return what the entries of all models have."""
    return {
        "id": model.id,
        "created": model.created,
        "object": "model",
        "owned_by": "xai",
        "aliases": list(model.aliases),
    }


def image_card(model: ImageModel) -> dict[str, Any]:
    """Return an entry of /v1/image-generation-models. `image_price` is in cents, the tiers are in ticks."""
    card = image_entry(model) | {
        "fingerprint": model.fingerprint,
        "version": "1.0.0",
        "input_modalities": ["text", "image"],
        "output_modalities": ["image"],
        "image_price": model.image_price,
        "max_prompt_length": 0,
    }
    tiers = [(*key.split(), ticks) for key, ticks in model.tiers.items()]
    pricing = [{"quality": q, "resolution": r, "price_per_image": ticks} for q, r, ticks in tiers]
    return card | ({"pricing": pricing} if pricing else {})


MODEL_LISTS: dict[str, dict[type, Callable[[Any], dict[str, Any]]]] = {  # by path: an entry by kind of model
    "models": {Model: model_card, ImageModel: image_entry},
    "language-models": {Model: language_card},
    "image-generation-models": {ImageModel: image_card},
}


def own_card(key: str, team: str) -> dict[str, Any]:
    """Return the body of /v1/me: the team and the key, whether they are blocked, that data is retained."""
    card = key_card(key, team)
    own = {"api_key_id": card["api_key_id"], "redacted_api_key": card["redacted_api_key"]}
    return {
        "user_id": card["user_id"],
        "team_id": team,
        "team_blocked": card["team_blocked"],
        "zdr_status": "no_zdr",
        "api_key": own | {"blocked": card["api_key_blocked"], "disabled": card["api_key_disabled"]},
    }


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
