"""Graders: what is made of their specs, and the grades they give. Pure."""

from runner.rules.evaluation.graders.make_grader import (
    grader_faults,
    grader_sha256,
    make_grader,
    may_hang,
    runs_code,
    takes_scores,
)

__all__ = ["grader_faults", "grader_sha256", "make_grader", "may_hang", "runs_code", "takes_scores"]
