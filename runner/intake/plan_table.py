"""From a recipe and a table's columns to the plan of its jobs; all faults are found before a row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from runner.intake.compile_table import SEED_DEFAULT, Plan
from runner.intake.labeled_examples import read_examples
from runner.intake.row_prompt import CellText, RowPrompt
from runner.intake.template_source import CELL, Names, column_suggestion
from runner.intake.templates import RenderError, parse_condition, parse_template
from runner.rules.recipes.recipe import Recipe, RecipeFault, error_of_faults, recipe_faults
from runner.rules.requests.request import Defaults, read_request
from runner.rules.requests.request_frame import Example, request_frame, row_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from runner.intake.row_prompt import TextSource
    from runner.intake.template_source import SourceFault
    from runner.intake.templates import RowCondition
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.recipes.recipe_identity import RecipeTexts
    from runner.rules.requests.request_frame import Frame
    from runner.tables.table import Table


def plan_table(
    recipe: Recipe,
    texts: RecipeTexts,
    columns: Sequence[str],
    *,
    examples: Table | None = None,
    title: str | None,
) -> Plan:
    """Return the plan for a table with these columns. `examples`: the opened table of `prompt.examples`.

    Raises the error of `error_of_faults`, which `title` is for, with all faults known before a row is read.
    """
    planner = _Planner(recipe, texts, tuple(columns))
    plan = planner.plan(examples)
    if plan is None or planner.faults:
        raise error_of_faults(title, planner.faults)
    return plan


class _Planner:
    """Builds the parts of a plan one by one, and collects their faults."""

    def __init__(self, recipe: Recipe, texts: RecipeTexts, columns: tuple[str, ...]) -> None:
        self.faults = recipe_faults(recipe)
        self._recipe = recipe
        self._texts = texts
        self._columns = columns
        self._names = Names(columns, recipe.prompt.constants)
        self._warnings: tuple[Diagnostic, ...] = ()

    def plan(self, examples: Table | None) -> Plan | None:
        self._check_constants()
        choice = self._recipe.table
        where = self._where()
        system = self._system()
        self._check_columns({"table.id": choice.id, "prompt.image": self._recipe.prompt.image})
        text = self._text()
        if self.faults or text is None:
            return None
        prompt = RowPrompt(text, self._recipe.prompt.image)
        frame = self._frame(system, self._examples(examples, prompt))
        used = {*prompt.columns, *(where.columns if where else ()), *([choice.id] if choice.id else [])}
        self._check_unambiguous(used)
        if frame is None:
            return None
        return Plan(
            columns=tuple(column for column in self._columns if column in used),
            frame=frame,
            prompt=prompt,
            id_column=choice.id,
            where=where,
            sample=choice.sample,
            seed=SEED_DEFAULT if choice.seed is None else choice.seed,
            limit=choice.limit,
            warnings=self._warnings,
        )

    def _fault(self, key: str, reason: str, fix: str) -> None:
        self.faults.append(RecipeFault(key, reason, fix))

    def _source_faults(self, key: str, faults: Iterable[SourceFault]) -> None:
        self.faults.extend(RecipeFault(key, f"line {line}: {reason}", fix) for line, reason, fix in faults)

    def _check_constants(self) -> None:
        for name in self._recipe.prompt.constants:
            if name in self._columns:
                fix = "give the constant another name"
                self._fault(f"prompt.set.{name}", "the table has a column of this name", fix)
            elif name == CELL or not name.isidentifier():
                self._fault(
                    f"prompt.set.{name}", "this is no name for a constant", "use letters, digits and _"
                )

    def _check_columns(self, named: dict[str, str | None]) -> None:
        for key, column in named.items():
            if column is not None and column not in self._columns:
                reason = f'there is no column "{column}"'
                self._fault(key, reason, column_suggestion(column, self._columns))

    def _check_unambiguous(self, used: set[str]) -> None:
        for column in sorted(used):
            if self._columns.count(column) > 1:
                reason = f'the table has more than one column "{column}"'
                self._fault("table", reason, "rename one of them in the header")

    def _where(self) -> RowCondition | None:
        if self._recipe.table.where is None:
            return None
        found = parse_condition(self._recipe.table.where, "where", self._names)
        if isinstance(found, list):
            self._source_faults("table.where", found)
            return None
        return found

    def _text(self) -> TextSource | None:
        if self._texts.user is None:
            column = self._recipe.prompt.text
            self._check_columns({"prompt.text": column})
            return None if column is None else CellText(column)
        found = parse_template(self._texts.user, "user", self._names)
        if isinstance(found, list):
            self._source_faults("prompt.user", found)
            return None
        if not found.columns and self._recipe.prompt.image is None:
            fix = "write a column into it, as {{ NAME }}"
            self._fault("prompt.user", "it has no column, so that it is the same for all rows", fix)
        return found

    def _system(self) -> str:
        """Return the system prompt, which ends with the instructions; it is the same for all rows."""
        found = parse_template(self._texts.system, "system", Names((), self._recipe.prompt.constants))
        if isinstance(found, list):
            self._source_faults("prompt.system", [self._about_system(fault) for fault in found])
            return ""
        try:
            own = found.render({})
        except RenderError as error:
            self._fault("prompt.system", error.reason, error.fix)
            return ""
        return "\n\n".join(part for part in (own, self._texts.instructions) if part.strip())

    def _about_system(self, fault: SourceFault) -> SourceFault:
        column = next((name for name in self._columns if f'"{name}"' in fault.reason), None)
        if column is None or "there is no column" not in fault.reason:
            return fault
        reason = f'the column "{column}" cannot be used here: all rows share the system prompt'
        return fault._replace(reason=reason, fix="move it to the user prompt, or give a constant with --set")

    def _examples(self, table: Table | None, prompt: RowPrompt) -> list[Example]:
        if table is None:
            return []
        examples, faults = read_examples(table, prompt, orjson.loads(self._texts.schema))
        self.faults.extend(faults)
        return examples

    def _frame(self, system: str, examples: Sequence[Example]) -> Frame | None:
        """Return the frame, after a request with it was validated as a job line is."""
        texts, body = self._texts, self._recipe.body
        try:
            frame = request_frame(texts.model, system, examples, texts.schema, body)
        except TypeError as error:
            self._fault("body", f"this is no JSON: {error}", "correct the value")
            return None
        line = frame.line("row-1", row_content("x", None))
        _, diagnostics = read_request(line, 1, Defaults(model=texts.model))
        refused = [one for one in diagnostics if one.severity == "refused"]
        self._warnings = tuple(one for one in diagnostics if one.severity == "warning")
        for one in refused:
            self._fault("the request", f"{one.reason} [{one.code}]", one.fix)
        return None if refused else frame
