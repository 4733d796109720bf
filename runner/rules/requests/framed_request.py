"""Requests that share a frame, made from their own bytes alone: what all share is validated once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from runner.rules.requests.messages import check_messages
from runner.rules.requests.request import Request, read_request
from runner.rules.requests.validate import tokens_unchecked

if TYPE_CHECKING:
    from typing import Any

    from runner.rules.diagnostics import Diagnostic, Problem
    from runner.rules.requests.request import Defaults
    from runner.rules.requests.request_frame import Frame

_PROBE: Final = "x"


class FramedRequests:
    """Makes the requests of a frame.

    A request is the one that `read_request` returns for the whole job line, but its `body` is only the row's
    own content. `diagnostics` are those that all requests share, of the first line; with a refusal among
    them there are no requests.
    """

    def __init__(self, frame: Frame, defaults: Defaults) -> None:
        """Validate the frame with a short prompt in it."""
        self._frame, self._defaults = frame, defaults
        probe, self.diagnostics = read_request(frame.line("row-1", orjson.dumps(_PROBE)), 1, defaults)
        self._shared = probe
        self._shared_tokens = 0 if probe is None else probe.prompt_tokens_estimate - _tokens(_PROBE, [])
        self._unchecked = 0.0 if probe is None else tokens_unchecked(probe.model, defaults.limits)
        self._known = {(one.code, one.reason) for one in self.diagnostics}

    def request(self, custom_id: str, content: bytes, row: int) -> tuple[Request | None, list[Diagnostic]]:
        """Return a row's request and its own warnings, or None and at least one refusal.

        `content` is the JSON of the last user message's content, `row` the number for diagnostics.
        """
        shared = self._shared
        problems: list[Problem] = []
        tokens = self._shared_tokens + _tokens(orjson.loads(content), problems)
        if shared is None or problems or tokens > self._unchecked:
            return self._read_whole(custom_id, content, row)
        return (
            Request(
                custom_id=custom_id,
                model=shared.model,
                body=content,
                metadata=None,
                conv_id=shared.conv_id,
                prompt_tokens_estimate=tokens,
                max_output_tokens=shared.max_output_tokens,
                outputs=shared.outputs,
                is_priority=shared.is_priority,
            ),
            [],
        )

    def _read_whole(
        self, custom_id: str, content: bytes, row: int
    ) -> tuple[Request | None, list[Diagnostic]]:
        """Read the whole line of a row that has problems, so that they are those of a job line."""
        request, diagnostics = read_request(self._frame.line(custom_id, content), row, self._defaults)
        own = [one for one in diagnostics if (one.code, one.reason) not in self._known]
        if request is None:
            return None, own or diagnostics
        return msgspec.structs.replace(request, body=content), own


def _tokens(content: Any, problems: list[Problem]) -> int:
    return check_messages([{"role": "user", "content": content}], problems)
