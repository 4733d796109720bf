"""The small endpoints: models, prices, the key's own card, tokens of a text."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from runner.simulator.keys import SPACE
from runner.simulator.usage import tokens_of

if TYPE_CHECKING:
    from runner.simulator.models import Model

MADE_AT = "2026-01-05T09:00:00.000000Z"


def model_card(model: Model) -> dict[str, Any]:
    """An entry of /v1/models."""
    return {
        "id": model.id,
        "created": model.created,
        "object": "model",
        "owned_by": "xai",
        "aliases": list(model.aliases),
        "context_length": model.context,
    }


def language_card(model: Model) -> dict[str, Any]:
    """An entry of /v1/language-models; prices in USD cents per 100 million tokens."""
    return {
        "id": model.id,
        "fingerprint": model.fingerprint,
        "created": model.created,
        "object": "model",
        "owned_by": "xai",
        "version": "1.0.0",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "prompt_text_token_price": model.price.fresh,
        "cached_prompt_text_token_price": model.price.cached,
        "prompt_image_token_price": model.price.fresh,
        "completion_text_token_price": model.price.output,
        "search_price": 0,
        "aliases": list(model.aliases),
    }


def key_card(key: str, team: str) -> dict[str, Any]:
    """/v1/api-key: what a key may tell about itself."""
    user = str(uuid.uuid5(SPACE, f"user of {team}"))
    return {
        "redacted_api_key": f"xai-...{key[-4:]}",
        "user_id": user,
        "name": "simulated key",
        "create_time": MADE_AT,
        "modify_time": MADE_AT,
        "modified_by": user,
        "team_id": team,
        "acls": ["api-key:model:*", "api-key:endpoint:*"],
        "api_key_id": str(uuid.uuid5(SPACE, f"id of {key}")),
        "team_blocked": False,
        "api_key_blocked": False,
        "api_key_disabled": False,
    }


def token_list(text: str) -> dict[str, Any]:
    """/v1/tokenize-text: the tokens as this simulator counts them."""
    return {
        "token_ids": [
            {
                "token_id": int.from_bytes(token),
                "string_token": token.decode(errors="replace"),
                "token_bytes": list(token),
            }
            for token in tokens_of(text)
        ]
    }
