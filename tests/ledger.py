"""The ledger: do a run's database, its files and the API's books tell one story? No code is runner's.

A *submission* is one that the API's books call accepted; an *attempt* is a row of ours. They are matched by
request_id; a submission whose id we never learnt is matched to its job by the body's `user`, else by the
sha256 of the body as posted. The equations, with C for the run's counters and B for the books:

    arrived      = submissions without an attempt that knows their id
    B.accepted   = C.accepted + arrived,          B.unanswered <= arrived <= attempts in doubt without an id
    a job:         arrived of it <= its attempts in doubt without an id; each known one ended its job, is out,
                   or has exactly one reason (ambiguous, lost, unusable, generation_failed, superseded)
    C.extra      = attempts in doubt, lost, unusable or failed that did not end their job; a superseded one
                   (its job was ended by an older attempt) stands for the reason which that one had before
    B.cut + B.lost + B.expired + handed out whole, not stored = attempts lost
    B.fetched = succeeded,  B.garbage + B.no_choices = unusable,  B.failed = generation_failed, each as far
                   as the answer was stored; without a crash every answer that was handed out whole is stored
    no crash:      arrived = B.unanswered, and attempts in doubt <= B's faults that leave a doubt
    polls:         B.polls <= C.polls <= B.polls + B.polls_refused (at the door, uncounted); crashed: only <=
    budget:        C.reserved = reserves of jobs that are out; B.ticks <= budget + what passed its reserve
    money:         ticks in the stored bytes = of the attempts = C = summary = B's of exactly those ids;
                   possible extra = of the attempts >= B's of all that was accepted and nobody read
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENDS = ("succeeded", "failed", "cancelled")
OUT = ("submitting", "waiting", "collecting", "stored")
NO_END = ("ambiguous", "lost", "unusable", "generation_failed")  # outcomes that may be an extra's reason
REASONS = (*NO_END, "user_retry")
WHOLE = {  # handed out whole: what a stored one must have become
    "fetched": "succeeded",
    "garbage": "unusable",
    "no_choices": "unusable",
    "failed": "generation_failed",
}
GONE = ("cut", "lost", "expired")
PRICED = ("fetched", "no_choices")
DOUBT = ("500", "500_after", "520", "reset_before", "reset_after", "hang")
BEFORE_NEXT = {*NO_END, "not_sent", "refused_for_now"}  # what another attempt may follow by itself
EXTRAS_MAX = 2


def loaded(facts: Facts) -> Iterator[str]:
    """L1: the input's lines, the rows, the counters and the summary are the same jobs."""
    ids = [job["custom_id"] for job in facts.jobs]
    if ids != facts.input_ids:
        missing, strange = set(facts.input_ids) - set(ids), set(ids) - set(facts.input_ids)
        yield f"L1 rows are not the input's lines in order: missing {some(missing)}, strange {some(strange)}"
    if facts.run["total"] != len(ids):
        yield f"L1 the run says {facts.run['total']} jobs, there are {len(ids)}"
    kept = {key: n for (kind, key), n in facts.counters.items() if kind == "state" and n}
    if kept != dict(facts.states):
        yield f"L1 the counters by state are {kept}, a recount is {dict(facts.states)}"
    if any(event["kind"] == "recounted" for event in facts.events):
        yield "L1 the counters had drifted and were mended on the way"
    told = {key: n for key, n in facts.summary["counts"].items() if key in (*ENDS, "held")}
    counted = {state: facts.states.get(state, 0) for state in (*ENDS, "held")}
    if told != counted or facts.summary["counts"]["total"] != len(ids):
        yield f"L1 the summary counts {facts.summary['counts']}, the rows {counted} of {len(ids)}"


def output_files(facts: Facts) -> Iterator[str]:
    """L2: every ended or held job has one line, in one file, in input order; the summary knows the files."""
    seen: dict[str, list[str]] = {}
    for name, lines, states in (
        ("results", facts.output, ("succeeded",)),
        ("errors", facts.errors, ("failed", "held")),
    ):
        seen[name] = [json.loads(line)["custom_id"] for line in lines]
        want = [job["custom_id"] for job in facts.jobs if job["state"] in states]
        twice = [key for key, n in Counter(seen[name]).items() if n > 1]
        if twice:
            yield f"L2 twice in {name}: {some(twice)}"
        elif seen[name] != want:
            odd = set(seen[name]) ^ set(want)
            yield f"L2 {name} and rows differ: {some(odd) if odd else 'in their order'}"
        wrong = [line for line in lines if (json.loads(line)["error"] is None) != (name == "results")]
        if wrong:
            yield f"L2 {len(wrong)} lines of {name} belong in the other file"
        said, raw = facts.summary["files"].get(name, {}), facts.summary_files[name]
        if (said.get("lines"), said.get("sha256")) != (len(lines), hashlib.sha256(raw).hexdigest()):
            yield f"L2 the summary tells of other {name} than there are: {said}"
    both = set(seen["results"]) & set(seen["errors"])
    if both:
        yield f"L2 in both files: {some(both)}"
    names = [json.loads(line)["id"] for line in (*facts.output, *facts.errors)]
    if len(set(names)) != len(names):
        yield "L2 ids of lines are not unique"


def bytes_kept(facts: Facts) -> Iterator[str]:
    """L3: stored bytes have the sha256 that is said, and are what the output shows."""
    for result in facts.results:
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
    """L4: every submission that the API accepted ended its job or has its one reason."""
    unknown: Counter[str] = Counter()
    for entry in facts.books["jobs"]:
        attempt = facts.known.get(entry["request_id"])
        if attempt is None:
            unknown[entry["job"]] += 1
        elif facts.job_of[attempt["job_id"]]["key"] != entry["job"]:
            yield f"L4 {entry['request_id']} is on record for another job than it was submitted for"
    doubts = Counter(
        facts.job_of[attempt["job_id"]]["key"]
        for attempt in facts.attempts
        if attempt["outcome"] == "ambiguous" and not attempt["request_id"]
    )
    for key, n in unknown.items():
        if n > doubts[key]:
            yield f"L4 the API accepted {n} of {key} that are not on record; {doubts[key]} in doubt"
    arrived, unanswered = sum(unknown.values()), facts.books["unanswered"]
    told = facts.n("attempts", "accepted")
    if facts.books["accepted"] != told + arrived:
        yield f"L4 accepted: books {facts.books['accepted']}, counter {told} + {arrived}"
    if unanswered > arrived or (not facts.crashed and unanswered != arrived):
        yield f"L4 {unanswered} submissions were never answered, {arrived} are not on record"
    faults = sum(facts.books["faults"].get(kind, 0) for kind in DOUBT)
    in_doubt = sum(attempt["outcome"] == "ambiguous" for attempt in facts.attempts)
    if not facts.crashed and in_doubt > faults:
        yield f"L4 {in_doubt} attempts in doubt, but only {faults} faults that leave a doubt"


def reasons(facts: Facts) -> Iterator[str]:
    """L4: reasons are counted as the attempts tell them, in the run, in the jobs and in the summary."""
    rows: Counter[str] = Counter()
    superseded = 0
    for job in facts.jobs:
        name = job["custom_id"]
        mine = [a for a in facts.by_job[job["id"]] if not facts.ended_its_job(a)]
        extras = [a["outcome"] for a in mine if a["outcome"] in NO_END]
        beside = sum(facts.is_superseded(a) and a["request_id"] is not None for a in mine)
        superseded += beside
        rows.update(extras)
        if job["extras"] != len(extras) + beside:
            yield f"L4 {name} counts {job['extras']} extras; its attempts tell {extras} + {beside}"
        for a in mine:
            out = job["attempt"] == a["attempt"] and job["state"] in ("waiting", "collecting", "stored")
            left = a["outcome"] == "abandoned" and job["state"] == "cancelled"
            open_end = a["outcome"] not in NO_END and not out and not left
            if a["request_id"] and open_end and not facts.is_superseded(a):
                yield f"L4 {name}: attempt {a['attempt']} was accepted; no end, no reason: {a['outcome']}"
    counted = Counter({reason: facts.n("extra", reason) for reason in REASONS if facts.n("extra", reason)})
    by_user = counted.pop("user_retry", 0)
    if superseded or by_user:
        fits = sum(counted.values()) + by_user == sum(rows.values()) + superseded
    else:
        fits = counted == rows
    if not fits:
        yield f"L4 extras: counted {dict(counted)}, by attempts {dict(rows)}, superseded {superseded}"
    told = {reason: n for reason, n in facts.summary["attempts"]["extra"].items() if n}
    if told != {reason: facts.n("extra", reason) for reason in REASONS if facts.n("extra", reason)}:
        yield f"L4 extras: the summary tells {told}"
    known = sum(a["accepted_at_ms"] is not None for a in facts.attempts)
    if not known == facts.n("attempts", "accepted") == facts.summary["attempts"]["accepted"]:
        yield f"L4 accepted: {known} attempts, counter {facts.n('attempts', 'accepted')}, or summary, differ"


def answers(facts: Facts) -> Iterator[str]:
    """L5: what the API handed out is stored and became what it was, or is recorded as lost."""
    submitted = {entry["request_id"]: entry for entry in facts.books["jobs"]}
    for request_id, attempt in facts.known.items():
        entry, outcome, name = submitted.get(request_id), attempt["outcome"], facts.job_of[attempt["job_id"]]
        who = f"{name['custom_id']} attempt {attempt['attempt']}"
        if entry is None:
            yield f"L5 {who}: the API never gave {request_id}"
        elif entry["outcome"] in WHOLE and request_id in facts.stored:
            came_late = outcome in ("lost", "ambiguous") and facts.has_another_end(attempt)
            if outcome not in (WHOLE[entry["outcome"]], "accepted") and not came_late:
                yield f"L5 {who}: the API handed out {entry['outcome']}, we made it {outcome}"
        elif entry["outcome"] in (*WHOLE, *GONE):
            if request_id in facts.stored:
                yield f"L5 {who}: bytes are stored that the API never handed out whole ({entry['outcome']})"
            elif outcome not in ("lost", "ambiguous"):
                yield f"L5 {who}: its answer is gone ({entry['outcome']}), on record it is {outcome}"
            elif entry["outcome"] in WHOLE and not facts.crashed:
                yield f"L5 {who}: an answer was handed out whole, without a crash, and is not stored"
        elif request_id in facts.stored or outcome in ("succeeded", "unusable", "generation_failed", "lost"):
            yield f"L5 {who}: {outcome}, but the API never handed it out"
    polls, seen = facts.n("attempts", "polls"), facts.books["polls"]
    if polls < seen or (polls > seen + sum(facts.books["polls_refused"].values()) and not facts.crashed):
        yield f"L5 polls: the API saw {seen}, counted are {polls}"
    for request_id in set(facts.stored) - set(facts.known):
        yield f"L5 an answer is stored for {request_id}, which no attempt has"


def paths(facts: Facts) -> Iterator[str]:
    """L6: the attempts of a job are a path through the transition table, one after the other in time."""
    for job in facts.jobs:
        mine, name = facts.by_job[job["id"]], job["custom_id"]
        if [a["attempt"] for a in mine] != list(range(1, job["attempt"] + 1)):
            yield f"L6 {name}: attempts {[a['attempt'] for a in mine]}, the job counts {job['attempt']}"
            continue
        for a, following in pairwise(mine):
            if (
                a["outcome"] not in BEFORE_NEXT
                and not facts.ended_its_job(a)
                and not facts.n("extra", "user_retry")
            ):
                yield f"L6 {name}: attempt {following['attempt']} follows one that is {a['outcome']}"
            if (a["collected_at_ms"] or 0) > following["marked_at_ms"] and not facts.ended_its_job(a):
                yield f"L6 {name}: attempt {following['attempt']} was marked before the last one had ended"
        for a in mine:
            times = [a[f"{what}_at_ms"] for what in ("marked", "sent", "accepted", "collected")]
            told = [time for time in times if time is not None]
            if told != sorted(told):
                yield f"L6 {name}: the times of attempt {a['attempt']} go back: {told}"
            if (a["request_id"] is None) != (a["accepted_at_ms"] is None):
                yield f"L6 {name}: attempt {a['attempt']} has an id or a time of acceptance, not both"
        yield from _last_one(facts, job, mine)


def _last_one(facts: Facts, job: Row, mine: list[Row]) -> Iterator[str]:
    by = next((a for a in mine if a["attempt"] == job["answered_by"]), mine[-1] if mine else None)
    fitting = {
        "pending": BEFORE_NEXT,
        "submitting": {"marked"},
        "waiting": {"accepted"},
        "collecting": {"accepted"},
        "stored": {"accepted", "ambiguous", "lost"},
        "succeeded": {"succeeded"},
        "failed": {"refused", "unusable", "generation_failed"},
        "held": {"ambiguous", "lost", "unusable"},
    }.get(job["state"])
    outcome = by["outcome"] if by else None
    if fitting and outcome not in fitting and not (job["state"] == "pending" and by is None):
        yield f"L6 {job['custom_id']} is {job['state']}, its last attempt {outcome}"


def bounds(facts: Facts) -> Iterator[str]:
    """L7: nobody spends more than allowed. L8: no window held more than its limit."""
    allowed = json.loads(facts.run["options"]).get("max_attempts", 5)
    for job in facts.jobs:
        if job["spent"] > allowed:
            yield f"L7 {job['custom_id']} has spent {job['spent']} attempts of {allowed}"
        again = job["extras"] - (job["state"] == "held")
        if again > EXTRAS_MAX and not facts.n("extra", "user_retry"):
            yield f"L7 {job['custom_id']} was sent again {again} times by itself"
    for model, peaks in facts.books["peaks"].items():
        for name, limit in facts.limits.items():
            if peaks[name] > limit:
                yield f"L8 {model}: {peaks[name]} in one window, {name} allows {limit}"


def drained(facts: Facts) -> Iterator[str]:
    """L10: a run that is over has nothing left on its way."""
    left = {state: n for state, n in facts.states.items() if state not in (*ENDS, "held")}
    if facts.run["state"] not in ("finished", "cancelled") or not facts.run["finished_at_ms"]:
        yield f"L10 the run is {facts.run['state']}"
    if left:
        yield f"L10 not drained: {left}"


def money(facts: Facts) -> Iterator[str]:
    """L11: what the stored answers cost is what was counted, told, and billed by the API."""
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
            yield f"L11 {entry['request_id']} cost {entry['ticks']} ticks, on record are {attempt['ticks']}"
    unpriced = [a for a in facts.attempts if a["ticks_source"] == "unknown"]
    if cost["unknown_jobs"] != len(unpriced):
        yield f"L11 {len(unpriced)} answers without a price, told are {cost['unknown_jobs']}"
    yield from _unread(facts)


def _unread(facts: Facts) -> Iterator[str]:
    """L11: what was billed and nobody could read is bounded, attempt by attempt and in sum."""
    told = facts.summary["cost"]["possible_extra_ticks"]
    bounds = sum(a["possible_ticks"] or 0 for a in facts.attempts)
    if told != bounds:
        yield f"L11 possible extra cost is {told} ticks, the attempts bound it by {bounds}"
    priced = {i for i, e in facts.known.items() if e["ticks"] is not None}
    out = {a["request_id"] for a in facts.attempts if a["outcome"] == "accepted"}
    unread = [
        entry
        for entry in facts.books["jobs"]
        if entry["request_id"] not in priced
        and (entry["request_id"] not in out or facts.is_superseded(facts.known[entry["request_id"]]))
    ]
    billed = sum(entry["ticks"] for entry in unread)
    if told < billed and not facts.summary["cost"]["unknown_jobs"]:
        yield f"L11 {len(unread)} submissions that nobody read cost {billed} ticks; told is up to {told}"


def budget(facts: Facts) -> Iterator[str]:
    """L12: what is out is reserved and nothing else; a budget is passed only by what passed its reserve."""
    want = sum(job["reserved_ticks"] or 0 for job in facts.jobs if job["state"] in OUT)
    if want != facts.n("ticks", "reserved"):
        yield f"L12 {facts.n('ticks', 'reserved')} ticks are reserved, by jobs that are out {want}"
    allowed, told = json.loads(facts.run["options"]).get("budget_ticks"), facts.summary["budget"]
    if (told and told["ticks"]) != allowed:
        yield f"L12 the budget is {allowed} ticks, told is {told}"
    reserves = {request_id: attempt["reserved_ticks"] or 0 for request_id, attempt in facts.known.items()}
    billed = [(entry["ticks"], reserves.get(entry["request_id"], 0)) for entry in facts.books["jobs"]]
    over = sum(max(0, ticks - reserve) for ticks, reserve in billed)
    if allowed is not None and facts.books["ticks_accepted"] > allowed + over:
        billed_ticks = facts.books["ticks_accepted"]
        yield f"L12 billed are {billed_ticks} ticks, allowed {allowed} and {over} beyond reserves"


LAWS = (
    *(loaded, output_files, bytes_kept, submissions, reasons),
    *(answers, paths, bounds, drained, money, budget),
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
    """Return what is wrong, one sentence a finding; nothing when all is well.

    `books` is GET /_books?jobs=1 of a simulator that served this run alone; `run_id` defaults to the newest.
    """
    facts = read(database_url, output, job_file, books, run_id, limits or {}, crashed=crashed)
    orphans = {row["job_id"] for row in (*facts.attempts, *facts.results)} - set(facts.job_of)
    if orphans:  # then nothing else can be said
        return [f"L1 {len(orphans)} jobs have attempts or answers and no row", *loaded(facts)]
    return [finding for law in LAWS for finding in law(facts)]


def usage(body: bytes) -> Row:
    """Return the usage that an answer reports; nothing where it is no answer."""
    try:
        found = json.loads(body).get("usage")
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def one_line(body: bytes) -> bytes:
    """Return an answer as it stands within an output line."""
    return body.strip(b" \t\r\n").replace(b"\r", b" ").replace(b"\n", b" ")


def some(names: Any) -> str:
    """Name a few."""
    listed = sorted(names)
    return (
        ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
        if listed
        else "none"
    )


def main() -> int:
    """Check from the command line; exit 1 when a law is broken."""
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
    findings = check(
        given.database,
        given.output,
        given.job_file,
        books,
        run_id=given.run,
        limits=limits,
        crashed=given.crashed,
    )
    last = f"{len(findings)} findings" if findings else "the ledger is in order"
    sys.stdout.write("\n".join([*findings, last]) + "\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
