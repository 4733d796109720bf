"""A suite as JSON, which is kept with its nights."""

from __future__ import annotations

import orjson

from runner.rules.evaluation.suite.suite import GateSpec, GraderSpec, Subject, Suite


def encode_suite(suite: Suite) -> bytes:
    """Return a suite as JSON: the same suite always gives the same bytes.

    The order of the fields of a body is kept, since it is that of the request.
    """
    return orjson.dumps(suite)


def decode_suite(raw: bytes) -> Suite:
    """Return the suite that `encode_suite` made the JSON of."""
    found = orjson.loads(raw)
    return Suite(
        name=found["name"],
        subjects=tuple(Subject(**subject) for subject in found["subjects"]),
        graders=tuple(GraderSpec(**grader) for grader in found["graders"]),
        gates=tuple(GateSpec(**gate) for gate in found["gates"]),
        epochs=found["epochs"],
        timezone=found["timezone"],
    )


def suite_variants(raw: bytes) -> list[str]:
    """Return the names of the subjects of a suite that is given as JSON, in their order."""
    return [subject.get("name", "") for subject in orjson.loads(raw).get("subjects", [])] or [""]
