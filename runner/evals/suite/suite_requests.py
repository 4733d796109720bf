"""The requests of a suite's items, each read as a job line is, to find bad ones before a night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.evals.items.read_items import FAULTS_KEPT
from runner.evals.night.compile_night import custom_id, job_line, metadata_names
from runner.evals.suite.item_prompt import ItemPrompt
from runner.intake.templates import RenderError
from runner.rules.errors import UserError
from runner.rules.models import DEFAULT
from runner.rules.recipes.recipe import RecipeFault
from runner.rules.requests.request import Defaults, read_request
from runner.rules.table_faults import TableFault

if TYPE_CHECKING:
    from runner.evals.items.read_items import ReadItems
    from runner.rules.costs.estimate import Tally
    from runner.rules.diagnostics import Diagnostic
    from runner.rules.evaluation.suite.item import Item
    from runner.rules.evaluation.suite.suite import Suite
    from runner.rules.requests.request import Request
    from runner.rules.sending.rate_limits import GivenLimits


class SuiteRequests:
    """Reads the requests of one epoch, with `read`; the other epochs have the same.

    Of `faults` and `warnings` it keeps FAULTS_KEPT.
    """

    def __init__(self, suite: Suite, found: ReadItems) -> None:
        """Read nothing yet."""
        self.faults: list[TableFault] = []
        self.fault_count = 0
        self.warnings: list[Diagnostic] = []
        self.warning_count = 0
        self._suite, self._found = suite, found

    def template_faults(self) -> list[RecipeFault]:
        """Return what is wrong with the templates of the subjects, with the keys of the suite file."""
        faults: list[RecipeFault] = []
        subjects = self._suite.subjects
        names = metadata_names(self._found.items)
        for place, subject in enumerate(subjects, 1):
            key = "subject" if len(subjects) == 1 else f"subject.{place}"
            try:
                ItemPrompt(subject, names)
            except UserError as error:
                faults += [RecipeFault(f"{key}.user", line, error.fix) for line in error.where]
        return faults

    def read(self, tally: Tally, *, limits: GivenLimits) -> None:
        """Read the requests of all items; `tally` adds up those of all epochs. Templates have no faults."""
        names = metadata_names(self._found.items)
        prompts = [ItemPrompt(subject, names) for subject in self._suite.subjects]
        defaults = Defaults(model=DEFAULT, limits=limits)
        for number, item in enumerate(self._found.items, 1):
            for prompt in prompts:
                request = self._request(prompt, item, number, defaults)
                if isinstance(request, TableFault):
                    self.fault_count += 1
                    self.faults += [request] if len(self.faults) < FAULTS_KEPT else []
                    break
                for _ in range(self._suite.epochs):
                    tally.add(request)

    def _request(
        self, prompt: ItemPrompt, item: Item, number: int, defaults: Defaults
    ) -> Request | TableFault:
        """Return the request of an item, and note its warnings; or what is wrong with it."""
        place = self._found.places[number - 1]
        try:
            line = job_line(custom_id(prompt.subject.name, item.id, 1), prompt.body(item))
        except RenderError as bad:
            return TableFault(
                line=place.line,
                row=place.row,
                column=bad.column,
                code=bad.code,
                reason=bad.reason,
                fix=bad.fix,
            )
        request, diagnostics = read_request(line, number, defaults)
        if request is None:
            refused = next(one for one in diagnostics if one.severity == "refused")
            code, reason, fix = refused.code, refused.reason, refused.fix
            return TableFault(line=place.line, row=place.row, code=code, reason=reason, fix=fix)
        self.warning_count += len(diagnostics)
        self.warnings += diagnostics[: max(0, FAULTS_KEPT - len(self.warnings))]
        return request
