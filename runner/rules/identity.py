"""Identity of a run: same input, same request-shaping flags and same name make the same run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def identity(input_sha256: str, shaping: Mapping[str, str | None], name: str | None) -> str:
    """Return a run's identity as a sha256 in hex; `shaping` maps flags that change requests to values.

    A flag that is not set (None) counts as absent, so that a new flag does not change older identities.
    """
    flags = {flag: value for flag, value in shaping.items() if value is not None}
    canonical = json.dumps(["runner-1", input_sha256, flags, name], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def attempt_name(job: int, attempt: int) -> str:
    """Return the name of an attempt for the API's support: the header `x-client-request-id`, and `show`."""
    return f"{job}-{attempt}"
