"""Which language models the API serves: a free question (`GET /v1/language-models`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.rules import error_body

if TYPE_CHECKING:
    from runner.api.xai import XAI


async def language_models(api: XAI) -> frozenset[str]:
    """Return every name a model goes by, aliases among them; none where it does not tell. Raises Failed."""
    reply = await api.get("/language-models")
    said: Any = error_body.load(reply.body) if reply.status == 200 else None
    listed = said.get("models") if isinstance(said, dict) else None
    names: list[Any] = []
    for model in listed if isinstance(listed, list) else ():
        if isinstance(model, dict):
            aliases = model.get("aliases")
            names += [model.get("id"), *(aliases if isinstance(aliases, list) else ())]
    return frozenset(name for name in names if isinstance(name, str))
