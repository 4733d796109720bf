"""Fields that would carry a key, headers or an address: no job may set them. Gateways and clients know many.

Names are from the parameters of OpenAI's and Anthropic's clients, LiteLLM and Portkey; case, `-` and `_` do
not count. A text that mentions one is no matter: only names of fields are looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES: Final = frozenset(
    (
        *("apikey", "xapikey", "apitoken", "accesstoken", "authtoken", "bearertoken", "bearer", "virtualkey"),
        *("authorization", "proxyauthorization", "xgoogapikey", "azureadtoken", "clientsecret"),
        *("awsaccesskeyid", "awssecretaccesskey", "awssessiontoken", "vertexcredentials"),
        *("headers", "extraheaders", "defaultheaders", "httpheaders", "requestheaders", "customheaders"),
        *("host", "baseurl", "apibase", "apihost", "apiurl", "endpointurl", "azureendpoint", "customhost"),
        *("extraquery", "defaultquery"),
    )
)


# At the top of a body these are no fields of the API; deeper they may be somebody's data.
_SECRETS: Final = frozenset(
    ("password", "passwd", "secret", "cookie", "cookies", "credential", "credentials", "setcookie")
)
_MAYBE_SECRETS: Final = frozenset(("key", "token", "auth"))  # also the name of a row, a word: the value tells
_LIKE_A_SECRET: Final = re.compile(r"(?:bearer |basic )?[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_OF_MCP_TOOLS: Final = frozenset(("authorization", "headers", "extraheaders"))


def is_connection_field(name: str) -> bool:
    """Return whether a field of this name belongs to the connection, not to the request."""
    word = _word(name)
    return word in _NAMES or word.endswith("apikey")


def is_secret_field(name: str, value: object) -> bool:
    """Return whether a field at the top of a body can only be a secret that stands there by mistake."""
    word = _word(name)
    looks_secret = isinstance(value, str) and _LIKE_A_SECRET.fullmatch(value.strip()) is not None
    return word in _SECRETS or (word in _MAYBE_SECRETS and looks_secret)


def tool_problems(path: Path, tool: dict[str, Any]) -> Iterator[Problem]:
    """Yield the problems of secrets beside a tool's definition.

    xAI's MCP tools have `authorization` and `headers` for the server they call: sent, with a warning.
    """
    is_function = tool.get("type") == "function"
    for name in tool:
        if not is_function and _word(name) in _OF_MCP_TOOLS:
            yield Problem(
                code="secret-in-tool",
                path=(*path, name),
                reason=f"{shortened(name)} of a tool is stored in the database as it is, and sent to the API",
                fix="give a token that opens this tool alone; runner rm or prune removes it with its run",
                severity="warning",
            )
        elif is_connection_field(name):
            yield connection_problem((*path, name))


def _word(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def connection_problem(path: Path) -> Problem:
    """Return the refusal of such a field; it shows the field's name, never its value."""
    reason = f"{shortened(str(path[-1]))} cannot be set by a job line"
    fix = "remove it; the key and the address are settings of the program"
    return Problem(code="headers-in-line", path=path, reason=reason, fix=fix)


def connection_problems(path: Path, value: Any) -> Iterator[Problem]:
    """Yield the refusals of such fields at any depth of a value that the API does not document."""
    if type(value) is dict:
        for name, inner in value.items():
            if is_connection_field(name) or (not path and is_secret_field(name, inner)):
                yield connection_problem((*path, name))
            else:
                yield from connection_problems((*path, name), inner)
    elif type(value) is list:
        for place, inner in enumerate(value):
            yield from connection_problems((*path, place), inner)
