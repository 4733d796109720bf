"""Rate limit headers: the form seen on the live API, and other forms that a client may meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from runner.simulator.windows import Limits

HeaderForm = Literal["usual", "none", "limit-only", "garbage", "per-second", "with-reset"]
HEADER_FORMS: tuple[HeaderForm, ...] = get_args(HeaderForm)
_PREFIX = "x-ratelimit"
_GARBAGE = {f"{_PREFIX}-limit-requests": "unlimited", f"{_PREFIX}-limit-tokens": "-1.5e3"}


def limit_headers(limits: Limits, *, rpm: int | None, tpm: int | None, form: HeaderForm) -> dict[str, str]:
    """Return the headers that announce `rpm` and `tpm` where given, else the enforced limits, if any.

    In the usual form `remaining` equals `limit`, as observed on the live API. `per-second` announces the
    limit divided by 60 under the same header names.
    """
    if form == "none":
        return {}
    if form == "garbage":
        return dict(_GARBAGE)
    headers: dict[str, str] = {}
    for name, value in (("requests", rpm or limits.rpm), ("tokens", tpm or limits.tpm)):
        if value is None:
            continue
        shown = str(max(1, value // 60) if form == "per-second" else value)
        headers[f"{_PREFIX}-limit-{name}"] = shown
        if form != "limit-only":
            headers[f"{_PREFIX}-remaining-{name}"] = shown
        if form == "with-reset":
            headers[f"{_PREFIX}-reset-{name}"] = "60s"
    return headers
