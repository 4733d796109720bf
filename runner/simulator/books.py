"""The books: what was accepted, fetched, refused and lost. Tests compare them with the runner's database.

A million jobs must fit in memory: one array per column, no object per job.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, get_args

from runner.simulator.faults import ANSWER_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.simulator.ids import Ids
    from runner.simulator.models import Model
    from runner.simulator.usage import Usage

Outcome = Literal[
    "pending", "fetched", "cut", "garbage", "lost", "failed", "no_choices", "expired", "unanswered"
]
SubmitReply = Literal["ok", "reset", "hang", "500", "answer"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
HANDED_OUT: tuple[Outcome, ...] = ("fetched", "cut", "garbage", "failed", "no_choices")
USAGE_READABLE: tuple[Outcome, ...] = (
    "fetched",
    "no_choices",
)  # the client can read the usage, so it knows the price
SUBMIT_REPLIES: tuple[SubmitReply, ...] = get_args(SubmitReply)
ANSWER_FAULTS: tuple[str | None, ...] = (None, *ANSWER_KINDS)
PENDING, OK, NEVER = OUTCOMES.index("pending"), SUBMIT_REPLIES.index("ok"), -1.0


class Books:
    """Counters and job columns. `ids` makes request ids; `to_unix` is added to times to get unix seconds."""

    def __init__(self, ids: Ids, *, to_unix: float) -> None:
        self._ids = ids
        self._to_unix = to_unix
        self.polls = 0
        self.refused: Counter[str] = Counter()
        self.polls_refused: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self._tokens = [0, 0, 0, 0, 0]
        self._ticks_accepted = self._ticks_fetched = self._duplicates = 0
        self._bodies: set[int] = set()  # shortened hashes
        self._repeats: Counter[int] = Counter()  # of those accepted more than once
        self._models: dict[str, int] = {}  # model id to number
        self._shas = bytearray()  # 32 bytes per job
        self._users: list[str | None] = []
        self._model, self._outcome, self._reply = array("B"), array("B"), array("B")
        self._answer_fault = array("B")
        self._accepted, self._ready, self._fetched = array("d"), array("d"), array("d")
        self._ticks, self._total = array("q"), array("q")

    def __len__(self) -> int:
        """Return the number of accepted submissions."""
        return len(self._accepted)

    def count_body(self, sha: bytes) -> int:
        """Return how many submissions with the same body are accepted."""
        short = _shorten(sha)
        return 1 + self._repeats[short] if short in self._bodies else 0

    def accept(
        self,
        *,
        sha: bytes,
        user: str | None,
        model: Model,
        usage: Usage,
        answer_fault: str | None,
        now: float,
        ready_at: float,
    ) -> int:
        """Record an accepted submission. Return its serial number."""
        serial, total = len(self._accepted), usage.total
        self._shas += sha
        self._users.append(user)
        self._model.append(self._models.setdefault(model.id, len(self._models)))
        self._outcome.append(PENDING)
        self._reply.append(OK)
        self._answer_fault.append(ANSWER_FAULTS.index(answer_fault))
        self._accepted.append(now)
        self._ready.append(ready_at)
        self._fetched.append(NEVER)
        self._ticks.append(usage.ticks)
        self._total.append(total)
        self._outcomes["pending"] += 1
        self._ticks_accepted += usage.ticks
        tokens = self._tokens
        tokens[0] += usage.prompt
        tokens[1] += usage.cached
        tokens[2] += usage.completion
        tokens[3] += usage.reasoning
        tokens[4] += total
        self._count_duplicate(sha)
        return serial

    def settle(self, serial: int, outcome: Outcome, now: float) -> None:
        """Record the outcome of a job's result. A fault of its answer counts when it is fetched whole."""
        self._outcomes[OUTCOMES[self._outcome[serial]]] -= 1
        self._outcomes[outcome] += 1
        self._outcome[serial] = OUTCOMES.index(outcome)
        if outcome in HANDED_OUT:
            self._fetched[serial] = now
        if outcome in USAGE_READABLE:
            self._ticks_fetched += self._ticks[serial]
        fault = ANSWER_FAULTS[self._answer_fault[serial]]
        if outcome == "fetched" and fault is not None:
            self.faults[fault] += 1

    def note_answered(self, serial: int) -> None:
        """Record that the reply to a submit is its answer, so the client gets no request id."""
        self.faults["not_deferred"] += 1
        self._reply[serial] = SUBMIT_REPLIES.index("answer")

    def settle_unanswered(self, serial: int, reply: SubmitReply, now: float) -> None:
        """Record that the client never got the request id, so it cannot fetch the result."""
        self._reply[serial] = SUBMIT_REPLIES.index(reply)
        self.settle(serial, "unanswered", now)

    def summary(self, peaks: dict[str, dict[str, int]]) -> dict[str, Any]:
        """Return the totals: accepted = fetched + pending + lost + expired + unanswered."""
        names = ("prompt", "cached", "completion", "reasoning", "total")
        return {
            "accepted": len(self),
            "fetched": sum(self._outcomes[outcome] for outcome in HANDED_OUT),
            "pending": self._outcomes["pending"],
            "expired": self._outcomes["expired"],
            "lost": self._outcomes["lost"],
            "unanswered": self._outcomes["unanswered"],
            "outcomes": {outcome: self._outcomes[outcome] for outcome in OUTCOMES},
            "refused": dict(self.refused),
            "polls": self.polls,
            "polls_refused": dict(self.polls_refused),
            "duplicates": self._duplicates,
            "tokens": dict(zip(names, self._tokens, strict=True)),
            "ticks_accepted": self._ticks_accepted,
            "ticks_fetched": self._ticks_fetched,
            "peaks": peaks,
            "faults": dict(self.faults),
            "first_accepted_at": self._unix(self._accepted[0]) if len(self) else None,
            "last_accepted_at": self._unix(self._accepted[-1]) if len(self) else None,
        }

    def jobs(self) -> Iterator[dict[str, Any]]:
        """Yield each accepted submission, in order. `job` is the body's `user`, else the hash of the body.

        `answer_fault` is what is wrong with the answer, fetched or not.
        """
        models = list(self._models)
        for serial in range(len(self)):
            sha = self._shas[serial * 32 : serial * 32 + 32].hex()
            fetched = self._fetched[serial]
            yield {
                "request_id": self._ids.make(serial),
                "body_sha": sha,
                "job": self._users[serial] or sha,
                "model": models[self._model[serial]],
                "accepted_at": self._unix(self._accepted[serial]),
                "ready_at": self._unix(self._ready[serial]),
                "fetched_at": None if fetched == NEVER else self._unix(fetched),
                "outcome": OUTCOMES[self._outcome[serial]],
                "reply": SUBMIT_REPLIES[self._reply[serial]],
                "answer_fault": ANSWER_FAULTS[self._answer_fault[serial]],
                "ticks": self._ticks[serial],
                "tokens": self._total[serial],
            }

    def _unix(self, time_s: float) -> float:
        return round(time_s + self._to_unix, 6)

    def _count_duplicate(self, sha: bytes) -> None:
        short = _shorten(sha)
        if short in self._bodies:
            self._duplicates += 1
            self._repeats[short] += 1
        else:
            self._bodies.add(short)


def _shorten(sha: bytes) -> int:
    return int.from_bytes(sha[:7])  # 56 bits: no collision among ten million bodies, half the memory
