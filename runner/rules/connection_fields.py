"""Fields that would carry a key, headers or an address: no job may set them. Gateways and clients know many.

Names are from the parameters of OpenAI's and Anthropic's clients, LiteLLM and Portkey; case, `-` and `_` do
not count. A text that mentions one is no matter: only names of fields are looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_faults import shortened

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


def is_connection_field(name: str) -> bool:
    """Return whether a field of this name belongs to the connection, not to the request."""
    return name.lower().replace("_", "").replace("-", "") in _NAMES


def connection_problem(path: Path) -> Problem:
    """Return the refusal of such a field; it shows the field's name, never its value."""
    reason = f"{shortened(str(path[-1]))} cannot be set by a job line"
    fix = "remove it; the key and the address are settings of the program"
    return Problem(code="headers-in-line", path=path, reason=reason, fix=fix)


def connection_problems(path: Path, value: Any) -> Iterator[Problem]:
    """Yield the refusals of such fields at any depth of a value that the API does not document."""
    if type(value) is dict:
        for name, inner in value.items():
            if is_connection_field(name):
                yield connection_problem((*path, name))
            else:
                yield from connection_problems((*path, name), inner)
    elif type(value) is list:
        for place, inner in enumerate(value):
            yield from connection_problems((*path, place), inner)
