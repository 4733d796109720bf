"""The types of graders: their options, and what makes each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from runner.rules.evaluation.graders import (
    choice_grader,
    code_grader,
    combined_graders,
    given_scores,
    limit_graders,
    number_grader,
    object_graders,
    pattern_grader,
    similarity_grader,
    text_graders,
)
from runner.rules.evaluation.graders import option_checks as check
from runner.rules.evaluation.graders.text_folding import FOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runner.rules.evaluation.graders.grade import Grader
    from runner.rules.evaluation.graders.option_checks import Check

    Checks: TypeAlias = Mapping[str, Check]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraderType:
    """How graders of a type are made.

    `checks` has every option, `required` those that must be given, `one_of` some of which one must. `version`
    is raised when the same options and answer get another grade than before. `make` gets checked options;
    in those of a type with `parts`, `graders` has the graders already made. `is_slow`: it may take for ever.
    """

    make: Callable[[Mapping[str, Any]], Grader]
    checks: Checks = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    version: int = 1
    has_parts: bool = False
    is_slow: bool = False
    is_code: bool = False


_TARGET: Final[Checks] = {"target": check.target}
_TEXT: Final[Checks] = {**_TARGET, "ignore": check.some_of(*FOLDS)}
_PART: Final[Checks] = {**_TEXT, "whole_words": check.flag}
_JSON: Final[Checks] = {"repairs": check.flag}
_FIELDS: Final[Checks] = {**_TEXT, **_JSON, "ordered": check.flag}
_LIMITS: Final[Checks] = {"at_least": check.number_from(0), "at_most": check.number_from(0)}
_PARTS: Final[Checks] = {"graders": check.part_tables}

TYPES: Final[Mapping[str, GraderType]] = {
    "exact": GraderType(make=text_graders.exact, checks=_TEXT),
    "includes": GraderType(make=text_graders.includes, checks=_PART),
    "begins": GraderType(make=text_graders.begins, checks=_PART),
    "ends": GraderType(make=text_graders.ends, checks=_PART),
    "regex": GraderType(
        make=pattern_grader.pattern_of,
        checks={**_TEXT, "pattern": check.pattern},
        required=("pattern",),
        is_slow=True,
    ),
    "choice": GraderType(make=choice_grader.choice, checks={**_TARGET, "several": check.flag}),
    "number": GraderType(
        make=number_grader.number,
        checks={**_TARGET, "absolute": check.number_from(0), "relative": check.number_from(0)},
    ),
    "json": GraderType(make=object_graders.json_object, checks=_JSON),
    "schema": GraderType(
        make=object_graders.schema, checks={**_JSON, "schema": check.schema}, required=("schema",)
    ),
    "field": GraderType(
        make=object_graders.field, checks={**_FIELDS, "field": check.any_text}, required=("field",)
    ),
    "fields": GraderType(make=object_graders.fields, checks={**_FIELDS, "fields": check.texts}),
    "similarity": GraderType(
        make=similarity_grader.similarity,
        checks={
            **_TARGET,
            "method": check.one_of(*similarity_grader.METHODS),
            "at_least": check.number_from(0, 1),
        },
    ),
    "length": GraderType(
        make=limit_graders.length,
        checks={**_LIMITS, "unit": check.one_of(*limit_graders.UNITS)},
        one_of=("at_least", "at_most"),
    ),
    "cost": GraderType(make=limit_graders.cost, checks=_LIMITS, one_of=("at_least", "at_most")),
    "latency": GraderType(make=limit_graders.latency, checks=_LIMITS, one_of=("at_least", "at_most")),
    "not": GraderType(make=combined_graders.not_it, checks=_PARTS, required=("graders",), has_parts=True),
    "all": GraderType(make=combined_graders.all_of, checks=_PARTS, required=("graders",), has_parts=True),
    "any": GraderType(make=combined_graders.any_of, checks=_PARTS, required=("graders",), has_parts=True),
    "python": GraderType(
        make=code_grader.code,
        checks={"function": check.function_name, "module_sha256": check.any_text},
        required=("function",),
        is_slow=True,
        is_code=True,
    ),
    "scores": GraderType(
        make=given_scores.given_scores,
        checks={"file": check.any_text, "scores": check.scores},
        one_of=("file", "scores"),
    ),
}

# What others call these types, and what is not offered.
OTHER_NAMES: Final = {
    "equals": "exact",
    "equal": "exact",
    "match": "begins",
    "contains": "includes",
    "include": "includes",
    "starts_with": "begins",
    "startswith": "begins",
    "ends_with": "ends",
    "endswith": "ends",
    "pattern": "regex",
    "multiple_choice": "choice",
    "mcq": "choice",
    "numeric": "number",
    "math": "number",
    "json_schema": "schema",
    "json_match": "fields",
    "fuzzy_match": "similarity",
    "f1": "similarity",
    "levenshtein": "similarity",
    "words": "length",
    "price": "cost",
    "time": "latency",
    "and": "all",
    "or": "any",
    "function": "python",
    "external": "scores",
}
EXECUTES: Final = frozenset(
    (
        *("bash", "code", "exec", "execute", "human_eval", "humaneval", "javascript"),
        *("mbpp", "run", "shell", "sql", "tests", "unit_tests"),
    )
)
ASKS_A_MODEL: Final = frozenset(
    ("factuality", "judge", "llm", "llm_judge", "model", "model_graded", "modelgraded", "rubric")
)
