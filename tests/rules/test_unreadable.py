"""Replies that are no answers: the spaces between two fetches, the end of it, and their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.replies import unreadable
from runner.rules.sending.polling import EXPIRES_AFTER_S

UNIT = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("replies", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (10, 512), (11, 600), (12, 600), (10**6, 600)]
)
def test_the_spaces_grow_from_a_second_to_ten_minutes(replies: int, seconds: float) -> None:
    """A blip costs a second; a page that stays for hours is asked for six times an hour."""
    assert unreadable.wait_s(replies, 0.0, 0.5) == seconds


@given(replies=st.integers(1, 100), age_s=st.floats(0, 2 * EXPIRES_AFTER_S), rng_unit=UNIT)
def test_a_space_has_jitter_and_leaves_time_before_the_edge(
    replies: int, age_s: float, rng_unit: float
) -> None:
    """Never below 0.9 s nor above 11 minutes; near the edge at most about half of what is left."""
    wait_s = unreadable.wait_s(replies, age_s, rng_unit)

    assert 0.9 <= wait_s <= 660
    left_s = EXPIRES_AFTER_S - age_s
    assert left_s <= 2 or wait_s <= max(1.1, 0.55 * left_s)


@pytest.mark.parametrize(("probes", "seconds"), [(0, 1), (1, 2), (2, 4), (4, 16), (5, 30), (500, 30)])
def test_probes_of_an_outage_become_rare(probes: int, seconds: float) -> None:
    """A captive page of ten minutes costs about 25 probes, and its end is found within 33 s."""
    assert unreadable.probe_wait_s(probes, 0.5) == seconds


@pytest.mark.parametrize(
    ("same", "same_for_s", "others_read", "ends"),
    [
        (4, 600.0, 20, True),
        (40, 6000.0, 2000, True),
        (3, 600.0, 20, False),
        (4, 599.9, 20, False),
        (4, 600.0, 19, False),
    ],
)
def test_only_what_comes_again_and_again_beside_other_answers_is_final(
    same: int, same_for_s: float, others_read: int, ends: bool
) -> None:
    """All three at once: otherwise it may be an outage, which passes."""
    assert unreadable.is_the_answer(same, same_for_s, others_read) is ends


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty reply"),
        (b" \r\n", "an empty reply"),
        (b"<!DOCTYPE html><html><head><title>\n Log  in </title>", "a web page (Log in)"),
        (b"<html><body>hello</body></html>", "a web page"),
        (b"upstream connect error", "text that is not JSON (upstream connect error)"),
        (b'{"id":"x","choi', 'JSON that is broken or cut off ({"id":"x","choi)'),
        (b'{"status":"pending"}', 'JSON that is no answer ({"status":"pending"})'),
        (b"null", "JSON that is no answer (null)"),
        (b'{"error":{"message":"upstream connect error"}}', "an error (upstream connect error)"),
        (b'{"error":"no \\ud83d"}', "an error (no \ufffd)"),
    ],
)
def test_a_reply_is_named_for_people(body: bytes, words: str) -> None:
    """The run says what came instead of answers."""
    assert unreadable.describe(body) == words


@given(st.binary(max_size=300))
def test_any_bytes_have_a_short_name_that_can_be_printed(body: bytes) -> None:
    """One line of UTF-8."""
    words = unreadable.describe(body)

    assert len(words) < 200
    assert "\n" not in words
    words.encode()


def test_a_key_in_a_page_is_hidden() -> None:
    """A proxy may repeat the request."""
    assert "***" in unreadable.describe(b"<title>Bearer xai-0123456789abcdef</title>".join((b"<html>", b"")))
