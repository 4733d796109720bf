"""Image tokens, from the headers of PNG and JPEG."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_thread import SimulatorThread

from runner.simulator.images import image_tokens

SIZES = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def png(wide: int, high: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", wide, high) + b"\x08\x06\x00\x00\x00"


def jpeg(wide: int, high: int) -> bytes:
    preview = b"\xff\xe1" + struct.pack(">H", 2 + 40_001) + b"\xff\xc0" * 20_000 + b"x"
    return b"\xff\xd8" + preview + b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, high, wide, 1) + bytes(3)


FORMATS = {"png": png, "jpeg": jpeg}


def data_url(image: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(image).decode()


@pytest.mark.parametrize("kind", FORMATS)
@given(size=SIZES)
def test_an_image_counts_its_tiles_and_one_more(kind: str, size: tuple[int, int]) -> None:
    """A tile is 448 x 448 pixels and 256 tokens, at most six tiles: 512 to 1,792 tokens."""
    wide, high = size
    tiles = min(-(-wide // 448) * -(-high // 448), 6)
    url = data_url(FORMATS[kind](wide, high))

    assert image_tokens({"url": url}) == image_tokens({"url": url, "detail": "high"}) == (tiles + 1) * 256
    assert image_tokens({"url": url, "detail": "low"}) == 512


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "data:image/gif;base64," + base64.b64encode(b"GIF89a").decode(),
        "data:image/png;base64,!!!!",
        "data:image/png,raw",
        data_url(png(0, 10)),
        data_url(png(448, 448)[:20]),
        data_url(jpeg(448, 448)[:500]),
        data_url(b"RIFF"),
        "",
    ],
)
def test_an_image_of_unknown_size_counts_as_a_large_one(url: str) -> None:
    """Nothing is fetched, and no error is raised."""
    assert image_tokens({"url": url}) == 1792


@given(
    st.binary(max_size=200), st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF1234WEBP", b""])
)
def test_any_bytes_count_within_bounds(rest: bytes, start: bytes) -> None:
    """The tokens of any data URL are within the bounds, and no error is raised."""
    assert 512 <= image_tokens({"url": data_url(start + rest)}) <= 1792


def test_images_are_billed_and_in_the_usage() -> None:
    """The image_tokens of two images are the sum of both."""
    parts = [
        {"type": "image_url", "image_url": {"url": data_url(png(900, 400))}},
        {"type": "image_url", "image_url": {"url": data_url(jpeg(100, 100))}},
        {"type": "text", "text": "What is this?"},
    ]
    with SimulatorThread() as simulator:
        usage = simulator.completion(messages=[{"role": "user", "content": parts}])["usage"]
        books = simulator.books()

    details = usage["prompt_tokens_details"]
    assert details["image_tokens"] == 4 * 256 + 2 * 256
    assert details["text_tokens"] + details["image_tokens"] == usage["prompt_tokens"]
    assert books["ticks_fetched"] == usage["cost_in_usd_ticks"]
