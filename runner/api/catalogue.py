"""The language models that the API serves (`GET /v1/language-models`, free)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules.replies import error_body

if TYPE_CHECKING:
    from runner.api.client import XAIClient


async def language_models(api: XAIClient) -> frozenset[str]:
    """Return the names and aliases of all models; none for an unusable reply. Raises RequestFailed."""
    reply = await api.get("/language-models")
    content: Any = error_body.load_json(reply.body) if reply.status == 200 else None
    listed = content.get("models") if isinstance(content, dict) else None
    names: list[Any] = []
    for model in listed if isinstance(listed, list) else ():
        if isinstance(model, dict):
            aliases = model.get("aliases")
            names += [model.get("id"), *(aliases if isinstance(aliases, list) else ())]
    return frozenset(name for name in names if isinstance(name, str))
