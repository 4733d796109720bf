"""The error of the API client when there is no whole reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.rules.errors import RunnerError

if TYPE_CHECKING:
    from runner.rules.advice import Advice
    from runner.rules.replies.reply import Fault


class RequestFailed(RunnerError):  # noqa: N818 - read as `except RequestFailed`
    """No whole reply. `fault`: how far the request got; `advice`: what to do, without secrets."""

    def __init__(self, fault: Fault, advice: Advice) -> None:
        super().__init__(f"{fault}: {advice}")
        self.fault = fault
        self.advice = advice

    @property
    def detail(self) -> str:
        """Return what happened and what to do, in one line."""
        return str(self.advice)
