"""A suite as JSON, which is kept with its nights, and hashes of its parts."""

from __future__ import annotations

import hashlib

import orjson

from runner.rules.evaluation.suite import GateSpec, GraderSpec, Subject, Suite


def suite_json(suite: Suite) -> bytes:
    """Return a suite as JSON: the same suite always gives the same bytes.

    The order of the fields of a body is kept, since it is that of the request.
    """
    return orjson.dumps(suite)


def suite_of_json(raw: bytes) -> Suite:
    """Return the suite that `suite_json` was made of."""
    found = orjson.loads(raw)
    return Suite(
        name=found["name"],
        subjects=tuple(Subject(**subject) for subject in found["subjects"]),
        graders=tuple(GraderSpec(**grader) for grader in found["graders"]),
        gates=tuple(GateSpec(**gate) for gate in found["gates"]),
        epochs=found["epochs"],
        timezone=found["timezone"],
    )


def prompt_sha256(subject: Subject) -> str:
    """Return the hash of what a subject adds to the items: its texts and fields, not its model."""
    return hashlib.sha256(orjson.dumps([subject.system, subject.user, subject.body])).hexdigest()
