"""The pool: the newest accepted nights, which a night is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

POOL_MOST: Final = 14  # nights in the pool
POOL_LEAST: Final = 3  # below it there is nothing to compare with yet


class _Night(Protocol):
    """A night that is accepted or not."""

    @property
    def is_accepted(self) -> bool: ...


_NightT = TypeVar("_NightT", bound=_Night)
_AnyT = TypeVar("_AnyT")


def newest(accepted: Sequence[_AnyT], nights_most: int = POOL_MOST) -> Sequence[_AnyT]:
    """Return the pool out of accepted nights, which are given oldest first."""
    return accepted[-nights_most:]


def pool_of(nights: Iterable[_NightT], nights_most: int = POOL_MOST) -> Sequence[_NightT]:
    """Return the pool out of nights, accepted or not, which are given oldest first."""
    return newest([night for night in nights if night.is_accepted], nights_most)
