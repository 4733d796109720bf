"""Checks of the images in a message: their addresses, and what a data URL holds.

Source: xAI's page on image understanding, 2026 (JPEG and PNG, 20 MiB); refusals of WebP and of base64 that
cannot be decoded as users reported them (cline pull request 5278, hermes-agent issue 69078).
"""

from __future__ import annotations

import re
from typing import Final

from runner.rules.diagnostics import Path, Problem
from runner.rules.json_text.json_faults import shortened

PART_FIX: Final = (
    'write {"type": "text", "text": "..."} or {"type": "image_url", "image_url": {"url": "..."}}'
)
_IMAGE_BYTES_MAX: Final = 20 * 1024 * 1024
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_TYPES: Final = ("data:image/png;base64", "data:image/jpeg;base64", "data:image/jpg;base64")
_OTHER_IMAGES: Final = {  # how the bytes of other formats begin in base64
    "R0lGOD": "GIF",
    "UklGR": "WebP",
    "SUkqA": "TIFF",
    "TU0AK": "TIFF",
    "JVBERi": "PDF",
    "PHN2Zy": "SVG",
}


def is_web_address(url: str) -> bool:
    """Return whether a text begins as the address of an image does; upper case does not matter."""
    return url[:8].lower().startswith(("https://", "http://"))


def image_problems(image: object, path: Path) -> list[Problem]:
    """Return the problems of the value of `image_url`, at `path` in the body."""
    url = image.get("url") if type(image) is dict else None
    if type(image) is dict and url is None and type(image.get("file_id")) is str:
        return []
    if type(url) is not str or not url:
        reason = "image_url must be an object with a url"
        return [Problem(code="bad-type", path=path, reason=reason, fix=PART_FIX)]
    if is_web_address(url):
        return []
    if url[:5].lower() == "data:":
        return _data_url_problems(url, (*path, "url"))
    fix = "give an https:// address or a data:image/png;base64,... URL; files are not read from disk"
    return [_bad_url((*path, "url"), f'"{shortened(url)}" is no address of an image', fix)]


def _data_url_problems(url: str, path: Path) -> list[Problem]:
    comma = url.find(",")  # not partition: an image must not be copied
    head, data_length = url[: max(comma, 0)].lower(), len(url) - comma - 1
    if comma < 0 or not data_length or not head.startswith("data:image/") or not head.endswith(";base64"):
        reason = "the data URL is not data:image/...;base64, followed by data"
        return [_bad_url(path, reason, "write data:image/png;base64, and the image in base64")]
    if other := _other_type(head, url[comma + 1 : comma + 17]):
        return [
            _bad_url(path, f"the image is {other}; the API takes PNG and JPEG", "convert it to one of these")
        ]
    if data_length % 4 or not _BASE64.fullmatch(url, comma + 1):
        return [_bad_url(path, *_fault_of_base64(url, comma + 1))]
    if data_length * 3 // 4 > _IMAGE_BYTES_MAX:
        return [
            Problem(
                code="image-too-large",
                path=path,
                reason=f"the image is {data_length * 3 // 4 / 2**20:.1f} MiB; the API takes 20 MiB",
                fix="make it smaller; more than 6 tiles of 448 x 448 add no detail",
            )
        ]
    return []


def _other_type(head: str, data: str) -> str | None:
    """Return the type of an image that the API does not take, by what is said or by its first bytes."""
    if head not in _TYPES:
        return f"of the type {shortened(head[len('data:') : -len(';base64')])}"
    return next((name for begin, name in _OTHER_IMAGES.items() if data.startswith(begin)), None)


def _fault_of_base64(url: str, start: int) -> tuple[str, str]:
    """Return why data cannot be decoded, and how to write it."""
    if url.startswith(("b'", 'b"'), start):
        reason = "the data is a Python bytes object as text, b'...', not base64"
        return reason, "write base64.b64encode(data).decode()"
    valid = _BASE64.match(url, start)
    end = valid.end() if valid else start
    if end == len(url):
        return f"the base64 has {end - start:,} characters, no multiple of 4", "write it whole, with its ="
    shown = repr(url[end])
    if url[end] in "-_":
        return (
            f"the base64 has {shown}: it is of the kind for URLs",
            "write it with + and / instead of - and _",
        )
    if url[end].isspace():
        return "the base64 has white space in it", "write it without line breaks: base64 -w0"
    return f"the base64 has {shown} at character {end - start + 1:,}", "write the image in base64"


def _bad_url(path: Path, reason: str, fix: str) -> Problem:
    return Problem(code="bad-image-url", path=path, reason=reason, fix=fix)
