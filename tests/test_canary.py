"""The search for the API key finds it in every encoding."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from canary import files_with_secret

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "xai-0123456789abcdefghijklmnopqrstuvwxyz+/"


@pytest.mark.parametrize(
    "content",
    [
        f"before {SECRET} behind".encode(),
        b"https://x/?key=xai-0123456789abcdefghijklmnopqrstuvwxyz%2B%2F&more",
        *(base64.b64encode(bytes(n) + SECRET.encode() + b"more") for n in range(3)),
    ],
)
def test_it_is_found_in_every_form(content: bytes, tmp_path: Path) -> None:
    """Plain, URL-encoded, and in base64 at each of the three offsets."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 5000 + content)
    (tmp_path / "other").write_bytes(b"xai-another key, not this one")

    assert list(files_with_secret(tmp_path, SECRET)) == [tmp_path / "deep" / "file"]
