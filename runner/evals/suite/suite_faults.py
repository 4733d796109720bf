"""What is wrong with a suite whose keys and types are right, before its items are read."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, available_timezones

from runner.rules.recipes.recipe import RecipeFault
from runner.rules.requests.validate import validate
from runner.rules.sending.rate_limits import NOT_GIVEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.rules.evaluation.suite.suite import GraderSpec, Subject, Suite

_PROBE: Final = {"role": "user", "content": "x"}


def suite_faults(suite: Suite) -> Iterator[RecipeFault]:
    """Yield the faults of a suite's time zone, graders and subjects, with the keys of its file."""
    if suite.timezone is not None:
        yield from _timezone_faults(suite.timezone)
    yield from _grader_faults(suite.graders)
    for place, subject in enumerate(suite.subjects, 1):
        yield from _body_faults(subject, "subject" if len(suite.subjects) == 1 else f"subject.{place}")


def _timezone_faults(name: str) -> Iterator[RecipeFault]:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        near = get_close_matches(name, known, n=1)
        fix = f'did you mean "{near[0]}"?' if near else 'write its IANA name, like "Europe/Berlin"'
        if not known:
            fix = "install the data of time zones: pip install tzdata"
        yield RecipeFault("timezone", f'there is no time zone "{name:.60}"', fix)


def _grader_faults(graders: tuple[GraderSpec, ...]) -> Iterator[RecipeFault]:
    """Yield what is wrong with the options of graders; one without a type is known already."""
    from runner.rules.evaluation.graders import grader_faults

    for grader in graders:
        if grader.type:
            yield from grader_faults(grader)


def _body_faults(subject: Subject, key: str) -> Iterator[RecipeFault]:
    """Yield what the API would refuse of a subject's model and fields; an absent model is known already."""
    if not subject.model:
        return
    found = validate({"model": subject.model, "messages": [_PROBE], **subject.body}, NOT_GIVEN)
    for problem in found.problems:
        if problem.severity == "refused":
            path = ".".join(map(str, problem.path))
            yield RecipeFault(
                f"{key}.{path}" if path == "model" else f"{key}.body.{path}", problem.reason, problem.fix
            )
