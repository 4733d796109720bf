"""What a picture in a prompt counts: tiles of 448 x 448 pixels, one more, 256 tokens each; at most six tiles.

The size is read from the head of a PNG, JPEG or WebP in a data URL. Nothing is fetched: all other pictures
count as large ones. (xAI's page on image understanding, 2025.)
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import Any

TILE_PIXELS = 448
TILE_TOKENS = 256
TILES_MAX = 6
HEAD_CHARACTERS = 128 * 1024  # of base64; a JPEG may carry a long preview before its size
_PNG = b"\x89PNG\r\n\x1a\n"
_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's start-of-frame markers
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG's markers without a length


def image_tokens(image_url: dict[str, Any]) -> int:
    """The tokens of an `image_url` part; `detail: low` is one tile, whatever the size."""
    tiles = 1 if image_url.get("detail") == "low" else _tiles(image_url["url"][:HEAD_CHARACTERS])
    return (tiles + 1) * TILE_TOKENS


@lru_cache(maxsize=256)
def _tiles(url: str) -> int:
    size = _size(_head(url))
    if size is None or 0 in size:
        return TILES_MAX
    wide, high = (-(-pixels // TILE_PIXELS) for pixels in size)
    return min(wide * high, TILES_MAX)


def _head(url: str) -> bytes:
    scheme, comma, data = url.partition(",")
    if not comma or not scheme.startswith("data:") or not scheme.endswith(";base64"):
        return b""
    try:
        return binascii.a2b_base64(data[: len(data) // 4 * 4])
    except binascii.Error:
        return b""


def _size(head: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, or None where the head does not tell them."""
    if head.startswith(_PNG) and len(head) >= 24:
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if head.startswith(b"\xff\xd8"):
        return _size_of_jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _size_of_webp(head)
    return None


def _size_of_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _SIZES:
            return int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7])
        at += 2 if marker in _BARE else 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


def _size_of_webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
        return width & 0x3FFF, height & 0x3FFF
    return None
