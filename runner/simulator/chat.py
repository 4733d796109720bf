"""Chat completions: accepting, limiting, answering at once or later, handing out once, going wrong."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runner.simulator import answers, checks, stream
from runner.simulator.books import Answered, Books, Outcome
from runner.simulator.deferred import Deferred, Job
from runner.simulator.faults import Faults
from runner.simulator.gate import Gate
from runner.simulator.ids import Ids, is_uuid
from runner.simulator.later import Later, after
from runner.simulator.replies import GARBAGE, JSON, Page, Refusal, Reply, completion, json_reply

if TYPE_CHECKING:
    from runner.simulator.models import Catalogue
    from runner.simulator.options import Options
    from runner.simulator.switches import Switches

Clock = Callable[[], float]

BEFORE = frozenset({"429", "500", "503", "520", "capacity", "safety", "reset_before", "hang_before"})
UNSAFE_MARK = b"[simulate:safety]"  # anywhere in a prompt
ANSWERED_AS: dict[str, Answered] = {"reset_after": "reset", "hang_after": "hang", "500_after": "500"}


class Chat:
    """The jobs of all teams. `clock` tells seconds that never go back."""

    def __init__(self, options: Options, catalogue: Catalogue, switches: Switches, clock: Clock) -> None:
        self._options = options
        self._catalogue = catalogue
        self._switches = switches
        self._clock = clock
        self._half_s = options.submit_ms / 2000
        self._seed = options.seed.to_bytes(8, signed=True)
        self._ids = Ids()
        self._completion_ids = Ids()
        self._gate = Gate(options, switches)
        self._deferred = Deferred(clock_scale=options.clock_scale)
        self._faults = Faults(options.seed, switches.faults)
        self.ledger = Books(self._ids, to_unix=time.time() - clock())

    def submit(self, team: str, content_type: str | None, raw: bytes) -> Reply | Later:
        """Accepts the request, midway of the time a submission takes, or raises Refusal."""
        fault = self._faults.draw("submit")
        return after(self._half_s, partial(self._take, fault, team, content_type, raw))

    def _take(self, fault: str | None, team: str, content_type: str | None, raw: bytes) -> Reply | Later:
        if fault in BEFORE:
            return self._trouble(fault, team)
        job, body = self._accept(team, content_type, raw)
        return after(self._half_s, partial(self._tell, fault, job, body))

    def _tell(self, fault: str | None, job: Job, body: checks.Body) -> Reply | Later:
        if fault is not None:
            self.ledger.leave_unanswered(job.serial, ANSWERED_AS[fault], self._clock())
            return self._trouble(fault, job.team)
        headers = self._gate.headers(job.model)
        if body.get("deferred"):
            self._deferred.keep(job)
            return json_reply({"request_id": self._ids.make(job.serial)}, headers)
        return after(job.ready_at - self._clock(), partial(self._answer_at_once, job, body, headers))

    def _answer_at_once(self, job: Job, body: checks.Body, headers: dict[str, str]) -> Reply:
        reply = self._hand_out(job, "fetched", headers)
        if body.get("stream"):
            with_usage = bool(body.get("stream_options", {}).get("include_usage"))
            return Reply(
                body=stream.events(reply.body, with_usage=with_usage), headers=headers | stream.HEADERS
            )
        return reply

    def fetch(self, team: str, request_id: str) -> Reply:
        """202 while it is not ready, 200 once, or raises Refusal."""
        self.ledger.polls += 1
        fault = self._faults.draw("fetch")
        if fault is not None:
            return self._trouble(fault, team)
        serial = self._ids.number(request_id)
        if serial is None and not is_uuid(request_id):
            raise Refusal(400, "invalid-argument", "The request id is not a valid UUID.")
        job = None if serial is None else self._deferred.find(serial, team)
        if job is None:
            raise _no_such_result(request_id)
        now = self._clock()
        headers = self._gate.headers(job.model)
        if self._options.polls_count:
            self._gate.charge(team, job.model, 0, now)
        if self._deferred.expired(job, now):
            self._deferred.drop(job)
            self.ledger.settle(job.serial, "expired", now)
            raise _no_such_result(request_id)
        if now < job.ready_at:
            return Reply(status=202, headers=headers)
        self._deferred.drop(job)
        fault = self._faults.draw("result")
        if fault == "lost":
            self.ledger.faults[fault] += 1
            self.ledger.settle(job.serial, "lost", now)
            raise _no_such_result(request_id)
        return self._hand_out(job, cast("Outcome", fault or "fetched"), headers)

    def adopt_switches(self) -> None:
        """To be called when the switches have changed."""
        self._faults.set_rates(self._switches.faults)
        self._gate.adopt_switches()

    def books(self) -> dict[str, Any]:
        """The ledger without its jobs."""
        now = self._clock()
        for job in self._deferred.take_expired(now):
            self.ledger.settle(job.serial, "expired", now)
        return self.ledger.summary(self._gate.peaks())

    def _accept(self, team: str, content_type: str | None, raw: bytes) -> tuple[Job, checks.Body]:
        if self._switches.credits_gone:
            raise _no_credits(team, self._switches.credits_status)
        if self._switches.permission_gone:
            raise Refusal(403, "permission-denied", "Team is not authorized to perform this action.")
        body = checks.parse(content_type, raw)
        checks.check(body)
        model = None if self._switches.model_gone else self._catalogue.find(body["model"])
        if model is None:
            raise no_such_model(body["model"], team)
        checks.check_for(model, body)
        if UNSAFE_MARK in raw:
            raise _unsafe(team)
        prompt = answers.read(body)
        checks.check_prompt(model, prompt.text_tokens + prompt.image_tokens)
        sha = hashlib.sha256(raw).digest()
        chance = hashlib.blake2b(sha, key=self._seed, digest_size=32).digest()
        answer = answers.compose(body, prompt, model, chance)
        now = self._clock()
        self._gate.charge(team, model, answer.usage.total, now)
        ready_at = now + self._latency_s(answer)
        serial = self.ledger.accept(
            sha=sha, user=body.get("user"), model=model, usage=answer.usage, now=now, ready_at=ready_at
        )
        job = Job(
            serial=serial,
            team=team,
            model=model,
            choices=answer.choices,
            usage=answer.usage,
            accepted_at=now,
            ready_at=ready_at,
        )
        return job, body

    def _latency_s(self, answer: answers.Answer) -> float:
        if not self._switches.median_s:
            return 0.0
        spread = math.exp(self._options.sigma * answer.deviate())
        return self._switches.median_s * spread / self._options.clock_scale

    def _hand_out(self, job: Job, outcome: Outcome, headers: dict[str, str]) -> Reply:
        if outcome != "fetched":
            self.ledger.faults[outcome] += 1
        self.ledger.settle(job.serial, outcome, self._clock())
        if outcome == "garbage":
            return Reply(body=GARBAGE, headers=JSON | headers)
        if outcome == "failed":
            error = "The deferred generation failed: internal error."
            return json_reply({"code": "internal", "error": error}, headers)
        body = completion(
            completion_id=self._completion_ids.make(job.serial),
            created=int(time.time()),
            model=job.model,
            choices=b"[]" if outcome == "no_choices" else job.choices,
            usage=job.usage,
            ticks=not self._options.no_ticks,
        )
        return Reply(body=body, headers=JSON | headers, act="cut" if outcome == "cut" else "send")

    def _trouble(self, fault: str, team: str) -> Reply:
        """A reset or a silence as a reply, the rest as a Refusal."""
        kind = "hang" if fault.startswith("hang") else fault
        self.ledger.faults[kind] += 1
        match kind:
            case "hang":
                return Reply(act="hang")
            case "reset_before" | "reset_after":
                return Reply(act="reset")
            case "429":
                raise self._gate.too_many(f"Too many requests for team {team}. Please slow down.")
            case "capacity":
                text = "The model is currently at capacity due to high demand. Please try again later."
                raise self._gate.too_many(text)
            case "520":
                raise Page(520, "", "Web server is returning an unknown error")
            case "safety":
                raise _unsafe(team)
            case "503":
                raise unavailable()
            case "500_after":
                return Refusal(500, "internal", "Internal error.").reply()  # accepted: it was not refused
            case _:
                raise Refusal(500, "internal", "Internal error.")


def unavailable() -> Refusal:
    return Refusal(503, "unavailable", "The service is temporarily unavailable.")


def no_such_model(slug: str, team: str) -> Refusal:
    return Refusal(404, "not-found", f"The model {slug} does not exist or your team {team} may not use it.")


def _no_such_result(request_id: str) -> Refusal:
    return Refusal(404, "not-found", f"No deferred completion found for request id {request_id}.")


def _unsafe(team: str) -> Refusal:
    message = f"Content violates usage guidelines. Team: {team}, Failed check: SAFETY_CHECK_TYPE_CYBER"
    return Refusal(403, "permission-denied", message)


def _no_credits(team: str, status: int) -> Refusal:
    code = "permission-denied" if status == 403 else "resource-exhausted"
    message = (
        f"Your team {team} has either used all available credits or reached its monthly spending limit. "
        "Purchase more credits or raise the limit to continue."
    )
    return Refusal(status, code, message)
