"""Chat completions: accept, limit, answer directly or deferred, hand out a result once, inject faults."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from runner.simulator import answers, checks, refusals, stream
from runner.simulator.answer_draws import draw_texts, random_bytes
from runner.simulator.books import Books, Outcome, SubmitReply
from runner.simulator.deferred import DeferredJobs, Job
from runner.simulator.delayed import DelayedReply, run_after, run_unless
from runner.simulator.faults import Faults
from runner.simulator.gateway_faults import GATEWAY_KINDS, REFUSALS_BY_FAULT, gateway_refusal
from runner.simulator.ids import Ids, is_uuid
from runner.simulator.rate_limiter import RateLimiter
from runner.simulator.replies import (
    BOM,
    GARBAGE,
    JSON,
    Delivery,
    Refusal,
    Reply,
    completion,
    json_reply,
    not_the_result,
)

if TYPE_CHECKING:
    from runner.simulator.models import Catalogue
    from runner.simulator.options import Options
    from runner.simulator.switches import Switches

Clock = Callable[[], float]  # seconds, monotonic

NOT_ACCEPTED = frozenset(
    {
        *("409", "425", "429", "499", "500", "503", "520", "521", "529"),
        *("403_page", "200_page", "capacity", "safety", "reset_before", "hang_before"),
        *GATEWAY_KINDS,
    }
)
INSTEAD_OF_RESULT = frozenset({"empty200", "html200", "trunc200", "err200", "pending200"})  # it stays
RESHAPED = frozenset({"lone", "bom", "201", "203", "wrong_length"})  # a whole result all the same
UNSAFE_MARKER = b"[simulate:safety]"  # anywhere in the request body
FILTERED_MARKER = b"[simulate:firewall]"
SUBMIT_REPLY_BY_FAULT: dict[str, SubmitReply] = {
    "reset_after": "reset",
    "hang_after": "hang",
    "500_after": "500",
}
TOO_MANY_BY_FAULT = {
    "429": "Too many requests for team {team}. Please slow down.",
    "capacity": "The model is currently at capacity due to high demand. Please try again later.",
}
DELIVERY_BY_FAULT: dict[str, Delivery] = {
    "hang": "hang",
    "reset_before": "reset",
    "reset_after": "reset",
}


class Chat:
    """The submit and fetch endpoints, with the jobs of all teams. `clock` returns monotonic seconds."""

    def __init__(self, options: Options, catalogue: Catalogue, switches: Switches, clock: Clock) -> None:
        self._options = options
        self._catalogue = catalogue
        self._switches = switches
        self._clock = clock
        self._half_submit_s = options.submit_ms / 2000
        self._seed = options.seed.to_bytes(8, signed=True)
        self._file = options.answers
        self._ids = Ids()
        self._completion_ids = Ids()
        self._limiter = RateLimiter(options, switches)
        self._deferred = DeferredJobs(clock_scale=options.clock_scale)
        self._faults = Faults(options.seed, switches.faults)
        self.books = Books(self._ids, to_unix=time.time() - clock())

    def submit(self, team: str, content_type: str | None, raw: bytes) -> Reply | DelayedReply:
        """Accept the request after half of `submit_ms` and reply after the rest, or raise Refusal."""
        process = partial(self._process, self._faults.draw("submit"), team, content_type, raw)
        return run_after(self._half_submit_s, partial(run_unless, self._is_held, process))

    def _is_held(self) -> bool:
        """Return whether as many submissions are accepted as the switch `hold_after` allows."""
        held_after = self._switches.hold_after
        return held_after is not None and len(self.books) >= held_after

    def _process(
        self, fault: str | None, team: str, content_type: str | None, raw: bytes
    ) -> Reply | DelayedReply:
        if FILTERED_MARKER in raw:
            fault = "403_page"
        if fault in NOT_ACCEPTED:
            return self._fail(fault, team)
        job, body = self._accept(team, content_type, raw)
        return run_after(self._half_submit_s, partial(self._reply, fault, job, body))

    def _reply(self, fault: str | None, job: Job, body: checks.Body) -> Reply | DelayedReply:
        if fault == "not_deferred":
            self.books.note_answered(job.serial)
        elif fault is not None:
            self.books.settle_unanswered(job.serial, SUBMIT_REPLY_BY_FAULT[fault], self._clock())
            return self._fail(fault, job.team)
        headers = self._limiter.headers(job.model)
        if body.get("deferred") and fault is None:
            self._deferred.add(job)
            return json_reply({"request_id": self._ids.make(job.serial)}, headers)
        return run_after(job.ready_at - self._clock(), partial(self._complete, job, body, headers))

    def _complete(self, job: Job, body: checks.Body, headers: dict[str, str]) -> Reply:
        reply = self._hand_out(job, "fetched", headers)
        if body.get("stream"):
            with_usage = bool(body.get("stream_options", {}).get("include_usage"))
            return Reply(
                body=stream.events(reply.body, with_usage=with_usage), headers=headers | stream.HEADERS
            )
        return reply

    def fetch(self, team: str, request_id: str) -> Reply:
        """Return 202 while the result is not ready, then 200 once; raise Refusal otherwise."""
        self.books.polls += 1
        fault = self._faults.draw("fetch")
        if fault is not None:
            return self._fail(fault, team)
        job = self._find(team, request_id)
        now = self._clock()
        headers = self._limiter.headers(job.model)
        if self._options.polls_count:
            self._limiter.charge(team, job.model, 0, now)
        if self._deferred.is_expired(job, now):
            self._deferred.drop(job)
            self.books.settle(job.serial, "expired", now)
            raise refusals.no_such_result(request_id)
        if now < job.ready_at:
            return Reply(status=202, headers=headers)
        return self._result(job, request_id, headers)

    def _find(self, team: str, request_id: str) -> Job:
        """Return the job of a request id. Raise Refusal if the team has none, or if it is no id at all."""
        serial = self._ids.parse(request_id)
        if serial is None and not is_uuid(request_id):
            raise Refusal(400, "invalid-argument", "The request id is not a valid UUID.")
        job = None if serial is None else self._deferred.find(serial, team)
        if job is None:
            raise refusals.no_such_result(request_id)
        return job

    def _result(self, job: Job, request_id: str, headers: dict[str, str]) -> Reply:
        """Return the result of a ready job, or what a fault makes of it. Raise Refusal if it is lost."""
        fault = self._faults.draw("result")
        if fault is not None:
            self.books.faults[fault] += 1
        if fault in INSTEAD_OF_RESULT:
            return not_the_result(fault, self._completion(job, job.choices))
        self._deferred.drop(job)
        if fault == "lost":
            self.books.settle(job.serial, "lost", self._clock())
            raise refusals.no_such_result(request_id)
        return self._hand_out_as(fault, job, headers)

    def adopt_switches(self) -> None:
        """Apply changed switches. Call it after each change."""
        self._faults.set_rates(self._switches.faults)
        self._limiter.adopt_switches()

    def books_summary(self) -> dict[str, Any]:
        """Return the totals of the books; jobs past their lifetime count as expired."""
        now = self._clock()
        for job in self._deferred.remove_expired(now):
            self.books.settle(job.serial, "expired", now)
        return self.books.summary(self._limiter.peaks())

    def _accept(self, team: str, content_type: str | None, raw: bytes) -> tuple[Job, checks.Body]:
        if self._switches.credits_gone:
            raise refusals.no_credits(team, self._switches.credits_status)
        if self._switches.permission_gone:
            raise Refusal(403, "permission-denied", "Team is not authorized to perform this action.")
        body = checks.parse(content_type, raw)
        checks.check(body)
        model = None if self._switches.model_gone else self._catalogue.find(body["model"])
        if model is None:
            raise refusals.no_such_model(body["model"], team)
        checks.check_for(model, body)
        if UNSAFE_MARKER in raw:
            raise refusals.unsafe(team)
        prompt = answers.read_prompt(body)
        checks.check_prompt(model, prompt.text_tokens + prompt.image_tokens)
        sha = hashlib.sha256(raw).digest()
        drawn = random_bytes(self._seed, sha, self.books.count_body(sha))
        texts = draw_texts(self._file, self._switches, prompt.text, drawn, count=body.get("n", 1))
        plan = answers.AnswerPlan(texts, self._faults.draw("answer"))
        answer = answers.compose_answer(body, prompt, model, drawn, plan)
        now = self._clock()
        self._limiter.charge(team, model, answer.usage.total, now)
        ready_at = now + self._latency_s(answer)
        serial = self.books.accept(
            sha=sha,
            user=body.get("user"),
            model=model,
            usage=answer.usage,
            answer_fault=answer.fault,
            now=now,
            ready_at=ready_at,
        )
        job = Job(
            serial=serial,
            team=team,
            model=model,
            choices=answer.choices,
            usage=answer.usage,
            fingerprint=self._switches.fingerprint or model.fingerprint,
            accepted_at=now,
            ready_at=ready_at,
        )
        return job, body

    def _latency_s(self, answer: answers.Answer) -> float:
        if not self._switches.median_s:
            return 0.0
        spread = math.exp(self._options.sigma * answer.latency_deviate())
        return self._switches.median_s * spread / self._options.clock_scale

    def _hand_out_as(self, fault: str | None, job: Job, headers: dict[str, str]) -> Reply:
        """Hand out the result of a job, in the form of a fault."""
        if fault not in RESHAPED:
            return self._hand_out(job, cast("Outcome", fault or "fetched"), headers)
        reply = self._hand_out(job, "fetched", headers)
        match fault:
            case "lone":
                reply.body = _with_lone_surrogate(reply.body)
            case "bom":
                reply.body = BOM + reply.body
            case "wrong_length":
                reply.delivery = "wrong_length"
            case _:
                reply.status = int(fault)
        return reply

    def _hand_out(self, job: Job, outcome: Outcome, headers: dict[str, str]) -> Reply:
        self.books.settle(job.serial, outcome, self._clock())
        if outcome == "garbage":
            return Reply(body=GARBAGE, headers=JSON | headers)
        if outcome == "failed":
            error = "The deferred generation failed: internal error."
            return json_reply({"code": "internal", "error": error}, headers)
        body = self._completion(job, b"[]" if outcome == "no_choices" else job.choices)
        return Reply(body=body, headers=JSON | headers, delivery="cut" if outcome == "cut" else "send")

    def _completion(self, job: Job, choices: bytes) -> bytes:
        return completion(
            completion_id=self._completion_ids.make(job.serial),
            created=int(time.time()),
            model=job.model,
            fingerprint=job.fingerprint,
            choices=choices,
            usage=job.usage,
            ticks=not self._options.no_ticks,
        )

    def _fail(self, fault: str, team: str) -> Reply:
        """Return the reply of a fault, or raise it as a Refusal if the request is refused."""
        kind = "hang" if fault.startswith("hang") else fault
        self.books.faults[kind] += 1
        if kind in DELIVERY_BY_FAULT:
            return Reply(delivery=DELIVERY_BY_FAULT[kind])
        refusal = self._refusal(kind, team)
        if kind == "500_after":
            return refusal.reply()  # not raised: the job was accepted
        raise refusal

    def _refusal(self, kind: str, team: str) -> Refusal:
        """Return the refusal of a fault; 500 for those that have none of their own."""
        if kind in REFUSALS_BY_FAULT:
            refusal, status, code, text = REFUSALS_BY_FAULT[kind]
            return refusal(status, code, text)
        if kind in GATEWAY_KINDS:
            return gateway_refusal(kind)
        if kind in TOO_MANY_BY_FAULT:
            return self._limiter.too_many(TOO_MANY_BY_FAULT[kind].format(team=team))
        if kind == "safety":
            return refusals.unsafe(team)
        return refusals.unavailable() if kind == "503" else Refusal(500, "internal", "Internal error.")


def _with_lone_surrogate(body: bytes) -> bytes:
    """Return a completion whose text begins with half an emoji, escaped; one without text as it is."""
    return body.replace(b'"content":"', b'"content":"\\ud83d', 1)
