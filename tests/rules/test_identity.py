"""The same input, flags and name make the same run; any difference makes another."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from runner.rules.identity import attempt_name, identity

SHA = hashlib.sha256(b"input").hexdigest()
WORDS = st.text(max_size=6)
PARTS = st.tuples(WORDS, st.dictionaries(WORDS, WORDS | st.none(), max_size=3), WORDS | st.none())


def test_an_identity_never_changes() -> None:
    """Runs of older versions must be found again, so this value is fixed."""
    assert identity(SHA, {"model": "grok-4", "lane": None}, "reviews") == (
        "48e81898bce42ae1a6e26a813d0654476910946afaa917daa5779c9e8f7e6ea1"
    )


@given(PARTS)
def test_order_and_unset_flags_do_not_matter(parts: tuple[str, dict[str, str | None], str | None]) -> None:
    """A flag added in a later version does not change the identity of older runs."""
    sha, flags, name = parts
    again = dict(reversed([*flags.items(), ("a-flag-of-tomorrow", None)]))
    assert identity(sha, flags, name) == identity(sha, again, name)


@given(PARTS, PARTS)
def test_different_parts_never_meet(
    one: tuple[str, dict[str, str | None], str | None], other: tuple[str, dict[str, str | None], str | None]
) -> None:
    """No concatenation of parts makes two runs equal."""

    def significant(parts: tuple[str, dict[str, str | None], str | None]) -> object:
        return parts[0], {k: v for k, v in parts[1].items() if v is not None}, parts[2]

    assert (identity(*one) == identity(*other)) == (significant(one) == significant(other))


def test_no_name_is_not_the_empty_name_and_odd_names_are_fine() -> None:
    """A lone surrogate, which a file name may have, is accepted in a name."""
    assert identity(SHA, {}, None) != identity(SHA, {}, "")
    assert len(identity(SHA, {}, "\ud800")) == 64


@given(st.integers(1, 2**63), st.integers(1, 99))
def test_an_attempt_is_named_by_its_job_and_number(job: int, attempt: int) -> None:
    """The API's support can find it, and so can `show`."""
    assert attempt_name(job, attempt).split("-") == [str(job), str(attempt)]
