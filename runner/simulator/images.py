"""Image tokens: one tile per 448 x 448 pixels, at most six, and one more; 256 tokens per tile.

The size is read from the header of a PNG or JPEG in a data URL; images of other types are refused. Nothing is
fetched: images of addresses count as six tiles. Source: xAI's page on image understanding, 2025.
"""

from __future__ import annotations

import binascii
from functools import lru_cache
from typing import Any

TILE_PIXELS = 448
TILE_TOKENS = 256
TILES_MAX = 6
HEADER_CHARACTERS = 128 * 1024  # of base64; a JPEG may have a long preview before its size
IMAGE_BYTES_MAX = 20 * 1024 * 1024
DATA_URLS = frozenset(f"data:image/{kind};base64" for kind in ("png", "jpeg", "jpg"))
OTHER_IMAGES = (b"GIF8", b"II*\0", b"MM\0*", b"%PDF", b"<svg")
_PNG = b"\x89PNG\r\n\x1a\n"
_SIZE_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's start-of-frame markers
_MARKERS_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG's markers without a length


def image_error(url: str) -> str:
    """Return why the API refuses an image; "" for a PNG or a JPEG, and for an address."""
    if url[:8].lower().startswith(("https://", "http://")):
        return ""
    scheme, _, data = url.partition(",")
    if scheme.lower() not in DATA_URLS:
        return "Invalid image URL: expected an http(s) address or a base64 data URL of a JPG or PNG image."
    try:
        content = binascii.a2b_base64(data, strict_mode=True)
    except (ValueError, binascii.Error):
        return "The base64 string of the image cannot be decoded."
    if len(content) > IMAGE_BYTES_MAX:
        return f"The image has {len(content)} bytes, at most {IMAGE_BYTES_MAX} are allowed."
    if not content or content.startswith(OTHER_IMAGES) or content[8:12] == b"WEBP":
        return "Invalid request content: the image is not a valid JPG or PNG image."
    return ""


def image_tokens(image_url: dict[str, Any]) -> int:
    """Return the tokens of an `image_url` part; `detail: low` is one tile for any size."""
    tiles = 1 if image_url.get("detail") == "low" else _tiles(image_url["url"][:HEADER_CHARACTERS])
    return (tiles + 1) * TILE_TOKENS


@lru_cache(maxsize=256)
def _tiles(url: str) -> int:
    size = _size(_header(url))
    if size is None or 0 in size:
        return TILES_MAX
    columns, rows = (-(-pixels // TILE_PIXELS) for pixels in size)
    return min(columns * rows, TILES_MAX)


def _header(url: str) -> bytes:
    scheme, comma, data = url.partition(",")
    if not comma or not scheme.startswith("data:") or not scheme.endswith(";base64"):
        return b""
    try:
        return binascii.a2b_base64(data[: len(data) // 4 * 4])
    except binascii.Error:
        return b""


def _size(header: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels; None if the header is incomplete or of another format."""
    if header.startswith(_PNG) and len(header) >= 24:
        return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
    if header.startswith(b"\xff\xd8"):
        return _size_of_jpeg(header)
    return None


def _size_of_jpeg(header: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(header) and header[at] == 0xFF:
        marker = header[at + 1]
        if marker in _SIZE_MARKERS:
            return int.from_bytes(header[at + 7 : at + 9]), int.from_bytes(header[at + 5 : at + 7])
        at += 2 if marker in _MARKERS_WITHOUT_LENGTH else 2 + int.from_bytes(header[at + 2 : at + 4])
    return None
