"""Command line of the simulator, for `runner simulate` and `python -m runner.simulator`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from runner.simulator.faults import KINDS, TRANSIENT, Rates, parse_rates
from runner.simulator.limit_headers import HEADER_FORMS
from runner.simulator.number_flags import Number, SignedNumber, Whole, plain
from runner.simulator.options import Options
from runner.simulator.switches import Limit

if TYPE_CHECKING:
    from runner.simulator.answer_file import AnswerFile

PORT = 8787


class _LimitType(click.ParamType[Limit]):
    """An integer from 1 up, or `none`; `catalogue` is the limit of the model table."""

    name = "N|none"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002
        """Return the form shown in --help."""
        return "N|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Limit:
        """Return the limit. Raise click.BadParameter for any other value."""
        if value in ("none", "catalogue"):
            return "none" if value == "none" else "catalogue"
        try:
            number = int(plain(str(value)))
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value} is neither a number from 1 up nor none", param, ctx)
        return number


LIMIT = _LimitType()


_HELP: Final = """\
The xAI API on localhost: strict limits, one-shot results, faults on demand. No key, no cost.

\b
Example, low limits and some faults:
  runner simulate --rpm 480 --median-s 3 --fault 429=0.02 --fault cut=0.01
  XAI_BASE_URL=http://127.0.0.1:8787/v1 XAI_API_KEY=xai-any runner run jobs.jsonl

GET /_books shows what was accepted, delivered and billed (?jobs=1: job by job). GET and POST
/_switch show and change limits, latency, faults and outages while it runs. A prompt with
[simulate:safety] in it is refused by the safety check, one with [simulate:firewall] by a firewall,
one with [simulate:refusal] is declined by the model, one with [simulate:empty] gets an empty answer.

With [label:sentiment=negative] in a user message, the answer to a json_schema has this label. The
value is words or JSON: [label:topics=["price","quality"]]; a nested field is a.b. There may be several;
one that the schema does not allow is ignored. Of many messages the last one with a mark counts.

Answers to a json_schema can be wrong: invalid breaks the schema, fenced is in a code block, prose has
words around it, two_objects has two answers, cut_json ends in the middle.

With --answers FILE questions are answered rightly or wrongly, drawn again each time they are asked:

\b
  {"text": "How much is 2 + 3?", "answers": {"5": 0.8, "6": 0.2}}

Each line is a question with its answers and their probabilities; the first answer is the right one. The
question is the last user message, or the longest one within it. The answer is given as it is, also where
JSON is asked for. A model that got worse: --skill 0.7 for every question, or --shift -0.1, which keeps hard
questions hard; one that was exchanged: --fingerprint TEXT. POST /_switch changes all three.

Questions without an answer: --fault 418=0.2 refuses one request in five with a code that no page names.
"""


@click.command(
    "simulate", context_settings={"show_default": True, "help_option_names": ["-h", "--help"]}, help=_HELP
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=Whole(0, 65535), metavar="N", default=PORT, help="Port; 0 takes any free one.")
@click.option("--seed", type=Whole(0), metavar="N", default=0, help="Seed of answers, latencies and faults.")
@click.option(
    "--key", "keys", multiple=True, help="Accept only this key (repeatable).  [default: any xai-...]"
)
@click.option("--team", help="Team id of every key.  [default: made from the key]")
@click.option(
    "--keep-retired", is_flag=True, help="Serve grok-4-0709 as before it was retired, instead of grok-4.3."
)
@click.option("--rpm", type=LIMIT, default="catalogue", help="Requests per minute.")
@click.option("--tpm", type=LIMIT, default="catalogue", help="Tokens per minute.")
@click.option(
    "--rps", type=LIMIT, default="catalogue", help="Requests per second; usually RPM / 48, at least 2."
)
@click.option("--polls-count", is_flag=True, help="Count polls against the request limits as well.")
@click.option(
    "--retry-after",
    type=Number(0),
    metavar="N",
    help="Send Retry-After with every 429, in seconds.",
)
@click.option(
    "--announce-rpm",
    type=Whole(1),
    metavar="N",
    help="Announce this RPM in the headers, independent of the enforced limit.",
)
@click.option(
    "--announce-tpm",
    type=Whole(1),
    metavar="N",
    help="Announce this TPM in the headers, independent of the enforced limit.",
)
@click.option(
    "--headers", type=click.Choice(HEADER_FORMS), default="usual", help="Form of the x-ratelimit headers."
)
@click.option(
    "--median-s",
    type=Number(0),
    metavar="N",
    default=1.0,
    help="Median latency (lognormal), in seconds.",
)
@click.option("--sigma", type=Number(0), metavar="N", default=0.8, help="Spread of the latency.")
@click.option("--instant", is_flag=True, help="Answers are ready at once (a median of 0).")
@click.option("--submit-ms", type=Number(0), metavar="N", default=0.0, help="Time a submission takes, in ms.")
@click.option("--clock-scale", type=Number(min=0, min_open=True), metavar="N", default=1.0,
              help="Make latencies and the 24 hours N times shorter; limits do not change.")  # fmt: skip
@click.option("--fault", "fault", multiple=True, metavar="KIND=RATE",
              help=f"Share of requests with this fault (repeatable): {', '.join(KINDS)}. "
                   "submit:KIND or fetch:KIND limits it to one of the two; the last five are for answers "
                   "to a json_schema.")  # fmt: skip
@click.option(
    "--faults",
    "every_fault",
    type=Number(0, 1),
    metavar="RATE",
    help="The faults up to bom, except safety and not_deferred, at this rate.",
)
@click.option(
    "--hang-s", type=Number(0), metavar="N", default=75.0, help="How long a hang lasts, in seconds."
)
@click.option(
    "--answers",
    "answer_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Answers to questions, with their probabilities (JSONL).",
)
@click.option(
    "--skill",
    type=Number(0, 1),
    metavar="P",
    help="Probability of the right answer, of all questions.  [default: as in the file]",
)
@click.option(
    "--shift",
    type=SignedNumber(-1, 1),
    metavar="P",
    default=0.0,
    help="Added to the probability of the right answer.",
)
@click.option("--fingerprint", help="system_fingerprint of all answers.  [default: made from the model]")
@click.option("--no-ticks", is_flag=True, help="Leave out cost_in_usd_ticks, as in old replies.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON and nothing else.")
@click.option(
    "--books", type=click.Path(dir_okay=False, path_type=Path), help="Write the books to FILE at exit."
)
def command(
    *,
    instant: bool,
    fault: tuple[str, ...],
    every_fault: float | None,
    answer_path: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """The xAI API on localhost: strict limits, one-shot results, faults on demand. No key, no cost."""
    if instant:
        flags["median_s"] = 0.0
    if answer_path is None and (flags["skill"] is not None or flags["shift"]):
        raise click.UsageError("--skill and --shift change the answers of --answers FILE.")
    answers = None if answer_path is None else _read_answers(answer_path)
    options = Options(faults=_rates(fault, every_fault), answers=answers, **flags)
    from runner.simulator.process import run  # slow to import: not for --help

    raise SystemExit(run(options, as_json=as_json))


def _read_answers(path: Path) -> AnswerFile:
    from runner.simulator.answer_file import AnswerFileError, read_answer_file

    try:
        return read_answer_file(path)
    except OSError as error:
        raise click.UsageError(f"--answers {path} cannot be read: {error.strerror}.") from None
    except AnswerFileError as error:
        raise click.UsageError(f"--answers {error}.") from None


def _rates(pairs: tuple[str, ...], every: float | None) -> Rates:
    rates: dict[str, object] = dict.fromkeys(TRANSIENT, every) if every else {}
    for pair in pairs:
        kind, _, rate = pair.partition("=")
        try:
            rates[kind] = float(plain(rate))
        except ValueError:
            raise click.UsageError(f"--fault wants KIND=RATE, for example 429=0.02, not {pair}.") from None
    try:
        return parse_rates(rates)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
