"""What the door raises when there is no whole reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.errors import RunnerError

if TYPE_CHECKING:
    from runner.rules.reply import Fault


class Failed(RunnerError):  # noqa: N818 - read as `except Failed`
    """No whole reply. `fault`: what may have become of the request; `detail`: for people, no secrets."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail
