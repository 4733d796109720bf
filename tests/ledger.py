"""The ledger: checks that a run's database, its files and the simulator's books agree.

It uses no code of runner. A *submission* is an entry that the books count as accepted; an *attempt* is a row
of the database. They are matched by request_id; a submission whose request_id runner never received is
matched to its job by the body's `user`, else by the sha256 of the body as posted. The equations, with C for
the run's counters, B for the books, and "unknown" for attempts with an unknown outcome (`ambiguous`):

    arrived      = submissions whose request_id no attempt has
    B.accepted   = C.accepted + arrived,          B.unanswered <= arrived <= unknown attempts without an id
    a job:         its arrived <= its unknown attempts without an id; each attempt with an id ended its job,
                   is in flight, or has exactly one reason (ambiguous, lost, unusable, generation_failed,
                   superseded, or reask: its answer was invalid, and the job was asked again)
    C.extra      = attempts unknown, lost, unusable or failed that did not end their job; a superseded attempt
                   (an older one ended its job) counts for the reason that the older one had before
    B.cut + B.garbage + B.lost + B.expired + delivered whole but not stored = attempts lost
    B.fetched = succeeded or invalid,  B.no_choices = unusable,  B.failed = generation_failed, each as far
                   as the result was stored; without a crash every result that was delivered whole is stored
    a job:         it leaves at most 1 + its asks + 2 times by itself, and is asked again as often as its
                   recipe allows at most
    no crash:      arrived = B.unanswered, and unknown attempts <= B's faults that leave an unknown outcome
    polls:         B.polls <= C.polls <= B.polls + B.polls_refused;  crashed: only B.polls <= C.polls
    budget:        C.reserved = reservations of jobs in flight; B.ticks <= budget + cost beyond reservations
    money:         ticks in the stored bytes = of the attempts = C = summary = B's of exactly those ids;
                   possible extra = of the attempts >= B's of all that was accepted and never read;
                   probable extra = of the attempts, each <= its possible one but for a refusal (503)
    over time:     the sums over the buckets = C, to the tick; what the attempts say of it is the same
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import urllib.request
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger_facts import Facts, Row, read
from ledger_series import series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENDS = ("succeeded", "failed", "cancelled")
IN_FLIGHT = ("submitting", "waiting", "collecting", "stored")
FAILED_OUTCOMES = (
    "ambiguous",
    "lost",
    "unusable",
    "generation_failed",
)  # outcomes that may be an extra's reason
REASONS = (*FAILED_OUTCOMES, "reask", "user_retry")
DELIVERED = {  # outcome in the books of a result that was delivered whole: outcomes of the stored attempt
    "fetched": ("succeeded", "invalid"),
    "no_choices": ("unusable",),
    "failed": ("generation_failed",),
}
GONE = ("cut", "garbage", "lost", "expired")
PRICED = ("fetched", "no_choices")
UNKNOWN_OUTCOME_FAULTS = (
    *("500", "500_after", "520", "522", "524", "529", "reset_before", "reset_after", "hang"),
    *("200_text", "200_status", "200_empty", "echo_500", "echo_text"),
)
BEFORE_NEXT = {
    *FAILED_OUTCOMES,
    "invalid",
    "not_sent",
    "refused_for_now",
}  # outcomes after which a job is sent again by itself
LONGEST_REASONING = 2  # no request bounds its reasoning: one answer in 100,000 passes twice its learnt bound
MODEL_REFUSED = ("model-gone", "model-not-allowed")  # codes of jobs that may be held without being sent
NEVER_LEFT = ("not_sent", "refused_for_now", "withheld")  # outcomes of attempts that bought nothing
EXTRAS_MAX = 2
REASK_DEFAULT = 2


def loaded(facts: Facts) -> Iterator[str]:
    """L1: input lines, rows, counters and summary have the same jobs."""
    ids = [job["custom_id"] for job in facts.jobs]
    if ids != facts.input_ids:
        missing, unknown = set(facts.input_ids) - set(ids), set(ids) - set(facts.input_ids)
        yield f"L1 rows are not the input's lines in order: missing {some(missing)}, unknown {some(unknown)}"
    if facts.run["total"] != len(ids):
        yield f"L1 the run has a total of {facts.run['total']} jobs, there are {len(ids)}"
    by_counters = {key: n for (kind, key), n in facts.counters.items() if kind == "state" and n}
    if by_counters != dict(facts.states):
        yield f"L1 the counters by state are {by_counters}, a recount is {dict(facts.states)}"
    if any(event["kind"] == "recounted" for event in facts.events):
        yield "L1 the counters were wrong and were recounted during the run"
    summary = {key: n for key, n in facts.summary["counts"].items() if key in (*ENDS, "held")}
    counted = {state: facts.states.get(state, 0) for state in (*ENDS, "held")}
    if summary != counted or facts.summary["counts"]["total"] != len(ids):
        yield f"L1 the summary counts {facts.summary['counts']}, the rows {counted} of {len(ids)}"


def output_files(facts: Facts) -> Iterator[str]:
    """L2: every ended or held job has one line, in one file, in input order; the summary fits the files."""
    ids: dict[str, list[str]] = {}
    for name, lines, states in (
        ("results", facts.output, ("succeeded",)),
        ("errors", facts.errors, ("failed", "held")),
    ):
        ids[name] = [json.loads(line)["custom_id"] for line in lines]
        expected = [job["custom_id"] for job in facts.jobs if job["state"] in states]
        twice = [key for key, n in Counter(ids[name]).items() if n > 1]
        if twice:
            yield f"L2 twice in {name}: {some(twice)}"
        elif ids[name] != expected:
            different = set(ids[name]) ^ set(expected)
            yield f"L2 {name} and rows differ: {some(different) if different else 'in their order'}"
        wrong = [line for line in lines if (json.loads(line)["error"] is None) != (name == "results")]
        if wrong:
            yield f"L2 {len(wrong)} lines of {name} belong in the other file"
        described, raw = facts.summary["files"].get(name, {}), facts.summary_files[name]
        if (described.get("lines"), described.get("sha256")) != (len(lines), hashlib.sha256(raw).hexdigest()):
            yield f"L2 the summary describes other {name} than there are: {described}"
    both = set(ids["results"]) & set(ids["errors"])
    if both:
        yield f"L2 in both files: {some(both)}"
    line_ids = [json.loads(line)["id"] for line in (*facts.output, *facts.errors)]
    if len(set(line_ids)) != len(line_ids):
        yield "L2 ids of lines are not unique"


def bytes_kept(facts: Facts) -> Iterator[str]:
    """L3: stored bytes have the stored sha256, are an object as JSON, and are what the output contains."""
    for result in facts.results:
        if not is_object(result["body"]):
            yield f"L3 what is stored for {result['request_id']} is no answer: {result['body'][:60]!r}"
        if hashlib.sha256(result["body"]).hexdigest() != result["sha256"]:
            yield f"L3 the stored bytes of {result['request_id']} have another sha256"
    lines = {json.loads(line)["custom_id"]: line for line in facts.output}
    answers = {(result["job_id"], result["attempt"]): result for result in facts.results}
    for job in facts.jobs:
        if job["state"] != "succeeded":
            continue
        answer = answers.get((job["id"], job["answered_by"]))
        if answer is None:
            yield f"L3 {job['custom_id']} succeeded without stored bytes"
        elif b'"body":' + one_line(answer["body"]) not in lines.get(job["custom_id"], b""):
            yield f"L3 the output of {job['custom_id']} is not what is stored"


def submissions(facts: Facts) -> Iterator[str]:
    """L4: every submission that the API accepted ended its job or has exactly one reason."""
    arrived_by_job: Counter[str] = Counter()
    for entry in facts.books["jobs"]:
        attempt = facts.known.get(entry["request_id"])
        if attempt is None:
            arrived_by_job[facts.asked_key(entry["job"])] += 1
        elif not facts.has_key(attempt, entry["job"]):
            yield f"L4 {entry['request_id']} is recorded for another job than it was submitted for"
    unknown_by_job = Counter(
        facts.key_of_attempt(attempt)
        for attempt in facts.attempts
        if attempt["outcome"] == "ambiguous" and not attempt["request_id"]
    )
    for key, n in arrived_by_job.items():
        if n > unknown_by_job[key]:
            yield (
                f"L4 the API accepted {n} of {key} that are not recorded;"
                f" {unknown_by_job[key]} attempts have an unknown outcome"
            )
    arrived, unanswered = sum(arrived_by_job.values()), facts.books["unanswered"]
    counted = facts.n("attempts", "accepted")
    if facts.books["accepted"] != counted + arrived:
        yield f"L4 accepted: books {facts.books['accepted']}, counter {counted} + {arrived}"
    if unanswered > arrived or (not facts.crashed and unanswered != arrived):
        yield f"L4 {unanswered} submissions were never answered, {arrived} are not recorded"
    faults = sum(facts.books["faults"].get(kind, 0) for kind in UNKNOWN_OUTCOME_FAULTS)
    unknown = sum(attempt["outcome"] == "ambiguous" for attempt in facts.attempts)
    if not facts.crashed and unknown > faults:
        yield f"L4 {unknown} attempts have an unknown outcome, but only {faults} faults leave one"


def reasons(facts: Facts) -> Iterator[str]:
    """L4: the extras by reason are the same in the attempts, the counters, the jobs and the summary."""
    by_attempts: Counter[str] = Counter()
    superseded = 0
    for job in facts.jobs:
        name = job["custom_id"]
        mine = [a for a in facts.by_job[job["id"]] if not facts.ended_its_job(a)]
        extras = [a["outcome"] for a in mine if a["outcome"] in FAILED_OUTCOMES]
        replaced = [a for a in mine if facts.is_superseded(a)]
        superseded_here = sum(a["request_id"] is not None for a in replaced)
        if job["extras"] == len(extras) + len(replaced):  # one that was on its way may have been refused
            superseded_here = len(replaced)
        superseded += superseded_here
        by_attempts.update(extras)
        invalid = sum(a["outcome"] == "invalid" for a in mine)
        by_attempts["reask"] += invalid
        retried_max = invalid if facts.n("extra", "user_retry") else 0  # invalid rows that a user sent again
        if not 0 <= job["extras"] - len(extras) - superseded_here <= retried_max:
            yield f"L4 {name} counts {job['extras']} extras; its attempts have {extras} + {superseded_here}"
        for a in mine:
            in_flight = job["attempt"] == a["attempt"] and job["state"] in ("waiting", "collecting", "stored")
            is_abandoned = a["outcome"] == "abandoned" and job["state"] == "cancelled"
            has_no_reason = (
                a["outcome"] not in (*FAILED_OUTCOMES, "invalid") and not in_flight and not is_abandoned
            )
            if a["request_id"] and has_no_reason and not facts.is_superseded(a):
                yield f"L4 {name}: attempt {a['attempt']} was accepted; no end, no reason: {a['outcome']}"
    counted = Counter({reason: facts.n("extra", reason) for reason in REASONS if facts.n("extra", reason)})
    by_user = counted.pop("user_retry", 0)
    if superseded or by_user:
        are_equal = sum(counted.values()) + by_user == sum(by_attempts.values()) + superseded
    else:
        are_equal = counted == +by_attempts
    if not are_equal:
        yield f"L4 extras: counted {dict(counted)}, by attempts {dict(by_attempts)}, superseded {superseded}"
    summary = {reason: n for reason, n in facts.summary["attempts"]["extra"].items() if n}
    if summary != {reason: facts.n("extra", reason) for reason in REASONS if facts.n("extra", reason)}:
        yield f"L4 extras: the summary has {summary}"
    known = sum(a["accepted_at_ms"] is not None for a in facts.attempts)
    if not known == facts.n("attempts", "accepted") == facts.summary["attempts"]["accepted"]:
        yield f"L4 accepted: {known} attempts, counter {facts.n('attempts', 'accepted')}, or summary, differ"


def asks(facts: Facts) -> Iterator[str]:
    """L4: without a user a job is asked again once for each invalid answer that did not end it."""
    if facts.n("extra", "user_retry"):
        return
    for job in facts.jobs:
        mine = [a for a in facts.by_job[job["id"]] if a["outcome"] == "invalid"]
        invalid = sum(not facts.ended_its_job(a) for a in mine)
        if job["asks"] != invalid:
            yield f"L4 {job['custom_id']} counts {job['asks']} asks, {invalid} of its answers were invalid"


def answers(facts: Facts) -> Iterator[str]:
    """L5: each result that the API delivered is stored with the right outcome, or recorded as lost."""
    submitted = {entry["request_id"]: entry for entry in facts.books["jobs"]}
    for request_id, attempt in facts.known.items():
        who = f"{facts.job_of[attempt['job_id']]['custom_id']} attempt {attempt['attempt']}"
        if request_id not in submitted:
            yield f"L5 {who}: the API never gave {request_id}"
        else:
            yield from _answer(facts, who, attempt, submitted[request_id]["outcome"])
    polls, in_books = facts.n("attempts", "polls"), facts.books["polls"]
    refused = sum(facts.books["polls_refused"].values())
    if polls < in_books or (polls > in_books + refused and not facts.crashed):
        yield f"L5 polls: the API counted {in_books}, the counter has {polls}"
    for request_id in set(facts.stored) - set(facts.known):
        yield f"L5 a result is stored for {request_id}, which no attempt has"


def _answer(facts: Facts, who: str, attempt: Row, in_books: str) -> Iterator[str]:
    """What is wrong with what is kept of one attempt, whose result the API's books call `in_books`."""
    outcome, is_stored = attempt["outcome"], attempt["request_id"] in facts.stored
    if in_books in DELIVERED and is_stored:
        is_late_result = outcome in ("lost", "ambiguous") and facts.has_another_end(attempt)
        if outcome not in (*DELIVERED[in_books], "accepted") and not is_late_result:
            yield f"L5 {who}: the API delivered {in_books}, recorded is {outcome}"
    elif in_books in (*DELIVERED, *GONE):
        if is_stored:
            yield f"L5 {who}: bytes are stored that the API never delivered whole ({in_books})"
        elif outcome not in ("lost", "ambiguous"):
            yield f"L5 {who}: its result is gone ({in_books}), recorded is {outcome}"
        elif in_books in DELIVERED and not facts.crashed:
            yield f"L5 {who}: a result was delivered whole, without a crash, and is not stored"
    elif is_stored or outcome in ("succeeded", "invalid", "unusable", "generation_failed", "lost"):
        yield f"L5 {who}: {outcome}, but the API never delivered it"


def paths(facts: Facts) -> Iterator[str]:
    """L6: the attempts of a job follow the transition table, one after the other in time."""
    for job in facts.jobs:
        mine, name = facts.by_job[job["id"]], job["custom_id"]
        if [a["attempt"] for a in mine] != list(range(1, job["attempt"] + 1)):
            yield f"L6 {name}: attempts {[a['attempt'] for a in mine]}, the job counts {job['attempt']}"
            continue
        for a, following in pairwise(mine):
            if (
                a["outcome"] not in BEFORE_NEXT
                and a["error_code"] not in MODEL_REFUSED
                and not facts.ended_its_job(a)
                and not facts.n("extra", "user_retry")
            ):
                yield f"L6 {name}: attempt {following['attempt']} follows one that is {a['outcome']}"
            if (a["collected_at_ms"] or 0) > following["marked_at_ms"] and not facts.ended_its_job(a):
                yield f"L6 {name}: attempt {following['attempt']} was recorded before the last one had ended"
        for a in mine:
            columns = [a[f"{what}_at_ms"] for what in ("marked", "sent", "accepted", "collected")]
            if a["outcome"] == "ambiguous":  # given up; its worker may read afterwards that it was accepted
                columns[2] = None
            times = [time for time in columns if time is not None]
            if times != sorted(times):
                yield f"L6 {name}: the times of attempt {a['attempt']} go back: {times}"
            if (a["request_id"] is None) != (a["accepted_at_ms"] is None):
                yield f"L6 {name}: attempt {a['attempt']} has an id or a time of acceptance, not both"
        yield from _last_attempt(job, mine)


def _last_attempt(job: Row, mine: list[Row]) -> Iterator[str]:
    last = next((a for a in mine if a["attempt"] == job["answered_by"]), mine[-1] if mine else None)
    allowed = {
        "pending": BEFORE_NEXT,
        "submitting": {"marked"},
        "waiting": {"accepted"},
        "collecting": {"accepted"},
        "stored": {"accepted", "ambiguous", "lost"},
        "succeeded": {"succeeded"},
        "failed": {"refused", "unusable", "invalid", "generation_failed"},
        "held": {"ambiguous", "lost", "unusable", "refused", "withheld"},
    }.get(job["state"])
    outcome = last["outcome"] if last else None
    never_sent = job["state"] == "pending" or job["error_code"] in MODEL_REFUSED
    if allowed and outcome not in allowed and not (last is None and never_sent):
        yield f"L6 {job['custom_id']} is {job['state']}, its last attempt {outcome}"


def bounds(facts: Facts) -> Iterator[str]:
    """L7: no job has more attempts than allowed. L8: no window has more than its limit."""
    allowed = json.loads(facts.run["options"]).get("max_attempts", 5)
    for job in facts.jobs:
        if job["spent"] > allowed:
            yield f"L7 {job['custom_id']} has spent {job['spent']} attempts of {allowed}"
        if not facts.n("extra", "user_retry"):
            yield from _leaves(facts, job)
        again = job["extras"] - (job["state"] == "held")
        if again > EXTRAS_MAX and not facts.n("extra", "user_retry"):
            yield f"L7 {job['custom_id']} was sent again {again} times by itself"
    for model, peaks in facts.books["peaks"].items():
        for name, limit in facts.limits.items():
            if peaks[name] > limit:
                yield f"L8 {model}: {peaks[name]} in one window, {name} allows {limit}"


def _leaves(facts: Facts, job: Row) -> Iterator[str]:
    """L7: without a user a job leaves once, once for each ask, and as an automatic extra."""
    left = sum(a["outcome"] not in NEVER_LEFT for a in facts.by_job[job["id"]])
    if left > 1 + job["asks"] + EXTRAS_MAX:
        yield f"L7 {job['custom_id']} left {left} times by itself, with {job['asks']} asks"
    asks_max = facts.recipe.get("ask", {}).get("reask", REASK_DEFAULT) if facts.recipe else 0
    if job["asks"] > asks_max:
        yield f"L7 {job['custom_id']} was asked again {job['asks']} times, its recipe allows {asks_max}"


def drained(facts: Facts) -> Iterator[str]:
    """L10: a run that has ended has no unfinished jobs."""
    unfinished = {state: n for state, n in facts.states.items() if state not in (*ENDS, "held")}
    if facts.run["state"] not in ("finished", "cancelled") or not facts.run["finished_at_ms"]:
        yield f"L10 the run is {facts.run['state']}"
    if unfinished:
        yield f"L10 not drained: {unfinished}"


def money(facts: Facts) -> Iterator[str]:
    """L11: the cost of the stored results is the same in attempts, counters, summary and books."""
    submitted = {entry["request_id"]: entry for entry in facts.books["jobs"]}
    billed = [submitted[i] for i in facts.stored if i in submitted and submitted[i]["outcome"] in PRICED]
    usages = [usage(result["body"]) for result in facts.results]
    cost = facts.summary["cost"]
    ticks = {
        "the API's books": sum(entry["ticks"] for entry in billed),
        "the attempts": sum(a["ticks"] or 0 for a in facts.attempts),
        "the counters": facts.n("ticks", "reported") + facts.n("ticks", "estimated"),
        "the summary": cost["reported_ticks"] + cost["estimated_ticks"],
        "the summary by model": sum(model["ticks"] for model in cost["by_model"].values()),
    }
    if any("cost_in_usd_ticks" in found for found in usages):
        ticks["the stored bytes"] = sum(found.get("cost_in_usd_ticks", 0) for found in usages)
    if len(set(ticks.values())) > 1:
        yield f"L11 ticks differ: {ticks}"
    tokens = {
        "the API's books": sum(entry["tokens"] for entry in billed),
        "the stored bytes": sum(found.get("total_tokens", 0) for found in usages),
        "the attempts": sum(a["total_tokens"] or 0 for a in facts.attempts),
        "the summary": facts.summary["tokens"]["total"],
    }
    if len(set(tokens.values())) > 1:
        yield f"L11 tokens differ: {tokens}"
    for entry in billed:
        attempt = facts.known.get(entry["request_id"])
        if attempt and attempt["ticks"] != entry["ticks"]:
            yield f"L11 {entry['request_id']} cost {entry['ticks']} ticks, recorded are {attempt['ticks']}"
    unpriced = [a for a in facts.attempts if a["ticks_source"] == "unknown"]
    if cost["unknown_jobs"] != len(unpriced):
        yield f"L11 {len(unpriced)} results without a price, the summary has {cost['unknown_jobs']}"
    yield from _unread(facts)


def _unread(facts: Facts) -> Iterator[str]:
    """L11: what was billed but never read has an upper bound, attempt by attempt and in sum."""
    cost = facts.summary["cost"]
    possible = cost["possible_extra_ticks"]
    bounds = sum(a["possible_ticks"] or 0 for a in facts.attempts)
    if possible != bounds:
        yield f"L11 possible extra cost is {possible} ticks, the attempts bound it by {bounds}"
    probable = sum(a["probable_ticks"] or 0 for a in facts.attempts)
    hidden = sum(a["probable_ticks"] or 0 for a in facts.attempts if a["outcome"] == "refused_for_now")
    if (cost["probable_extra_ticks"], cost["unread"]["unavailable_ticks"]) != (probable, hidden):
        yield f"L11 probable extra: {cost['probable_extra_ticks']}, by attempts {probable}, 503 {hidden}"
    for a in facts.attempts:
        if (a["probable_ticks"] or 0) > (a["possible_ticks"] or 0) and a["outcome"] != "refused_for_now":
            yield f"L11 attempt {a['attempt']} of job {a['job_id']} cost probably more than possible"
        if a["outcome"] == "refused_for_now" and a["http_status"] != 503 and a["probable_ticks"]:
            yield f"L11 attempt {a['attempt']} of job {a['job_id']} has a cost for {a['http_status']}"
    in_doubt = sum(bool(a["possible_ticks"]) and a["outcome"] != "refused" for a in facts.attempts)
    if bool(in_doubt) != bool(cost["unread"]["answers"]) and possible:
        yield f"L11 {in_doubt} attempts may have cost something, the summary has {cost['unread']['answers']}"
    priced = {i for i, e in facts.known.items() if e["ticks"] is not None}
    in_flight = {a["request_id"] for a in facts.attempts if a["outcome"] == "accepted"}
    unread = [
        entry
        for entry in facts.books["jobs"]
        if entry["request_id"] not in priced
        and (entry["request_id"] not in in_flight or facts.is_superseded(facts.known[entry["request_id"]]))
    ]
    billed = sum(entry["ticks"] for entry in unread)
    if possible * LONGEST_REASONING < billed and not facts.summary["cost"]["unknown_jobs"]:
        yield (
            f"L11 {len(unread)} submissions that were never read cost {billed} ticks; the bound is {possible}"
        )


def budget(facts: Facts) -> Iterator[str]:
    """L12: exactly the jobs in flight have reservations; only cost beyond reservations exceeds a budget."""
    expected = sum(job["reserved_ticks"] or 0 for job in facts.jobs if job["state"] in IN_FLIGHT)
    if expected != facts.n("ticks", "reserved"):
        yield f"L12 {facts.n('ticks', 'reserved')} ticks are reserved, by jobs in flight {expected}"
    allowed, in_summary = json.loads(facts.run["options"]).get("budget_ticks"), facts.summary["budget"]
    if (in_summary and in_summary["ticks"]) != allowed:
        yield f"L12 the budget is {allowed} ticks, the summary has {in_summary}"
    reserves = {request_id: attempt["reserved_ticks"] or 0 for request_id, attempt in facts.known.items()}
    billed = [(entry["ticks"], reserves.get(entry["request_id"], 0)) for entry in facts.books["jobs"]]
    over = sum(max(0, ticks - reserve) for ticks, reserve in billed)
    if allowed is not None and facts.books["ticks_accepted"] > allowed + over:
        billed_ticks = facts.books["ticks_accepted"]
        yield f"L12 billed are {billed_ticks} ticks, allowed {allowed} and {over} beyond reserves"


LAWS = (
    *(loaded, output_files, bytes_kept, submissions, reasons, asks),
    *(answers, paths, bounds, drained, money, budget, series),
)


def check(
    database_url: str,
    output: Path,
    job_file: Path,
    books: Row,
    *,
    run_id: int | None = None,
    limits: Mapping[str, int] | None = None,
    crashed: bool = False,
) -> list[str]:
    """Return what is wrong, one sentence each; [] when all laws hold.

    `books` is GET /_books?jobs=1 of a simulator that served this run alone; `run_id` defaults to the newest.
    `limits`: the greatest count in a window, by name (rpm, tpm, rps). `crashed`: processes were killed.
    """
    facts = read(database_url, output, job_file, books, run_id, limits or {}, crashed=crashed)
    orphans = {row["job_id"] for row in (*facts.attempts, *facts.results)} - set(facts.job_of)
    if orphans:  # the other laws need the rows of all jobs
        return [f"L1 {len(orphans)} jobs have attempts or answers and no row", *loaded(facts)]
    return [error for law in LAWS for error in law(facts)]


def usage(body: bytes) -> Row:
    """Return the usage object of a stored body; {} where it has none."""
    try:
        reported = json.loads(body).get("usage")
    except (ValueError, AttributeError):
        return {}
    return reported if isinstance(reported, dict) else {}


def is_object(body: bytes) -> bool:
    """Return whether a stored body is a JSON object."""
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def one_line(body: bytes) -> bytes:
    """Return a stored body as it is written in an output line."""
    return body.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n").replace(b"\r", b" ").replace(b"\n", b" ")


def some(names: Any) -> str:
    """Return the first five names, and how many more there are."""
    listed = sorted(names)
    return (
        ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
        if listed
        else "none"
    )


def main() -> int:
    """Check from the command line; return the exit code, 1 when a law is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("database", help="sqlite:////path/to/runner.db or postgresql://…")
    parser.add_argument("output", type=Path, help="OUT.jsonl; its errors and its summary lie beside it")
    parser.add_argument("job_file", type=Path)
    parser.add_argument("books", help="a file, or the address of GET /_books?jobs=1")
    parser.add_argument("--run", type=int, help="[default: the newest]")
    parser.add_argument("--rpm", type=int)
    parser.add_argument("--tpm", type=int)
    parser.add_argument("--rps", type=int)
    parser.add_argument("--crashed", action="store_true", help="processes were killed on the way")
    given = parser.parse_args()
    if given.books.startswith("http"):
        with urllib.request.urlopen(given.books, timeout=60) as reply:
            books = json.load(reply)
    else:
        books = json.loads(Path(given.books).read_bytes())
    limits = {name: getattr(given, name) for name in ("rpm", "tpm", "rps") if getattr(given, name)}
    errors = check(
        given.database,
        given.output,
        given.job_file,
        books,
        run_id=given.run,
        limits=limits,
        crashed=given.crashed,
    )
    last = f"{len(errors)} errors" if errors else "the ledger is in order"
    sys.stdout.write("\n".join([*errors, last]) + "\n")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
