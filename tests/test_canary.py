"""The search for the key finds it where it is."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from canary import holders

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "xai-0123456789abcdefghijklmnopqrstuvwxyz+/"


@pytest.mark.parametrize(
    "held",
    [
        f"before {SECRET} behind".encode(),
        b"https://x/?key=xai-0123456789abcdefghijklmnopqrstuvwxyz%2B%2F&more",
        *(base64.b64encode(bytes(n) + SECRET.encode() + b"more") for n in range(3)),
    ],
)
def test_it_is_found_in_every_form(held: bytes, tmp_path: Path) -> None:
    """Plain, URL-encoded, in base64 at each of its three places."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 5000 + held)
    (tmp_path / "other").write_bytes(b"xai-another key, not this one")

    assert list(holders(tmp_path, SECRET)) == [tmp_path / "deep" / "file"]
