"""Log records without secrets: drivers and Celery repeat URLs in their messages and tracebacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from runner.rules.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

_plain_record = logging.LogRecord


def install(secrets: Iterable[str]) -> None:
    """Hide `secrets` in the message and the traceback of every log record of this process."""
    hidden = tuple(secrets)
    formatter = logging.Formatter()

    def record(*arguments: object, **named: object) -> logging.LogRecord:
        made = _plain_record(*arguments, **named)  # type: ignore[arg-type]
        try:
            made.msg, made.args = redact(made.getMessage(), hidden), None
        except (TypeError, ValueError, KeyError):  # the arguments do not fit: the handler reports that
            return made
        if made.exc_info:
            made.exc_text = redact(formatter.formatException(made.exc_info), hidden)
        return made

    logging.setLogRecordFactory(record)
