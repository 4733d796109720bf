"""The guards of the promise: what happens without each, how it is removed, which tests must then fail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`old` is in `file` exactly once and is replaced by `new`; then `tests` (pytest arguments) must fail."""

    name: str
    without_it: str
    file: str
    old: str
    new: str
    tests: str


GUARDS = (
    Guard(
        name="one attempt of a request",
        without_it="the HTTP library fetches an answer again that can be fetched only once, and it is lost",
        file="runner/api/transport.py",
        old="        if self._is_used:\n",
        new="        if False:\n",
        tests="tests/api/test_one_attempt.py",
    ),
    Guard(
        name="lease_gen in the WHERE clause",
        without_it="a late worker moves a job that another worker holds",
        file="runner/db/sql/accepted.sql",
        old="  AND jobs.lease_gen = v.gen ",
        new="  ",
        tests="tests/db/test_job_moves.py",
    ),
    Guard(
        name="heartbeats",
        without_it="a live worker loses a job when a clock is changed",
        file="runner/db/workers/orphans.py",
        old=" AND workers.ended_at_ms IS NULL AND workers.seen_at_ms >= :since)",
        new=" AND workers.seen_at_ms < :since AND workers.seen_at_ms > :since)",
        tests="tests/engine/test_reaper.py",
    ),
    Guard(
        name="probes use jobs without an unknown outcome",
        without_it="the first job of a file is held because one outage hit it three times",
        file="runner/rules/sending/submit_plan.py",
        old="    ordered = by_extras(queued) if state.should_probe else queued\n",
        new="    ordered = queued\n",
        tests="tests/rules/test_submit_plan.py",
    ),
    Guard(
        name="the spool record before a POST",
        without_it="after a crash, a request that the API accepted counts as never sent",
        file="runner/engine/storing/spool.py",
        old='return self._append(f"s {job_id} {attempt}\\n".encode())',
        new='return self._append(b"")',
        tests="tests/ladder -m 'not soak' -k exit-sqlite",
    ),
    Guard(
        name="the spool record after a fetch",
        without_it="an answer that can be fetched only once is lost",
        file="runner/engine/storing/spool.py",
        old="return self._append(_answer_record(record))",
        new='return self._append(b"")',
        tests="tests/engine/test_spool.py tests/engine/test_recovery.py",
    ),
    Guard(
        name="the lock on a spool folder",
        without_it="the spool of a live process is imported",
        file="runner/engine/storing/spool.py",
        old="        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="",
        tests="tests/engine/test_spool.py",
    ),
    Guard(
        name="answer and state in one transaction",
        without_it="a job has a state for an answer that is not stored, and counters drift",
        file="runner/db/session.py",
        old="        with self.engine.begin() as connection:\n            yield connection\n",
        new=(
            "        if self.is_sqlite:\n"
            "            with self.engine.begin() as connection:\n"
            "                yield connection\n"
            "            return\n"
            '        alone = {"isolation_level": "AUTOCOMMIT"}\n'
            "        with self.engine.connect().execution_options(**alone) as connection:\n"
            "            yield connection\n"
        ),
        tests="tests/engine/test_group_commit.py -k together",
    ),
    Guard(
        name="one poller per request_id",
        without_it="two workers fetch the same answer",
        file="runner/db/sql/claim.sql",
        old=(
            "    {skip_locked}\n)\nUPDATE jobs\nSET state = 'collecting',\n    lease_owner = :worker,\n"
            "    lease_until_ms = :until,\n    lease_gen = lease_gen + 1,\n    polls = polls + 1\n"
            "WHERE id IN (SELECT id FROM due)\n  AND state = 'waiting'\n"
        ),
        new=(
            ")\nUPDATE jobs\nSET state = 'collecting',\n    lease_owner = :worker,\n"
            "    lease_until_ms = :until,\n    lease_gen = lease_gen + 1,\n    polls = polls + 1\n"
            "WHERE id IN (SELECT id FROM due)\n"
        ),
        tests="tests/db/test_leases.py",
    ),
    Guard(
        name="results unique by request_id",
        without_it="one request_id has two answers, or one answer is kept twice",
        file="migrations/versions/20261123_0001_first_tables.py",
        old='        sa.UniqueConstraint("request_id", name="uq_results_request_id"),\n',
        new="",
        tests="tests/db/test_job_moves.py tests/structure/test_schema.py",
    ),
    Guard(
        name="confirming a slot in the limiter",
        without_it="a slow network leads to more requests in a window than allowed",
        file="runner/limiter/limiter.py",
        old=".record(PendingUpdates(confirmed=[(slot.id, self._clock())]))",
        new=".record(PendingUpdates())",
        tests="tests/limiter -m 'not soak'",
    ),
    Guard(
        name="the limiter fails closed",
        without_it="requests are sent without a limit while Redis does not answer",
        file="runner/limiter/limiter.py",
        old=(
            "        return await its.request_slots(\n"
            "            tokens, fallback_limits, horizon_s, run_limits=run_limits, is_poll=is_poll\n"
            "        )\n"
        ),
        new=(
            "        try:\n"
            "            return await its.request_slots(\n"
            "                tokens, fallback_limits, horizon_s, run_limits=run_limits, is_poll=is_poll\n"
            "            )\n"
            "        except LimiterUnavailable:\n"
            "            now = self._clock()\n"
            '            slots = [Slot(id="", bucket=bucket, fire_at=now) for _ in tokens]\n'
            "            return Grant(slots=slots, retry_after_s=None)\n"
        ),
        tests="tests/limiter -m 'not soak' -k 'without_redis or does_not_answer'",
    ),
    Guard(
        name="the rebuild of an emptied limiter",
        without_it="a second burst within the same minute, after Redis lost the first",
        file="runner/limiter/limiter.py",
        old="                await self._store.restore(await self._rebuild(), await self._team_limits())\n",
        new="                await self._store.restore({}, await self._team_limits())\n",
        tests="tests/limiter/test_limiter.py -k rebuilt",
    ),
    Guard(
        name="the wait for a slot's time",
        without_it="a request too many in a minute, since a timer was early",
        file="runner/limiter/limiter.py",
        old="        while (left_s :=",
        new="        if (left_s :=",
        tests="tests/limiter/test_exact_times.py",
    ),
    Guard(
        name="a clock of Redis that is set back",
        without_it="nothing is sent for as long as the clock was set back",
        file="runner/limiter/common.lua",
        old="  behind = math.max(behind, seen - raw)\n",
        new="",
        tests="tests/limiter/test_clock_set_back.py",
    ),
    Guard(
        name="versions of a team's limits",
        without_it="a worker that read before a change brings the limits from before back",
        file="runner/limiter/versioned_limits.lua",
        old="  if tonumber(version) < tonumber(redis.call('HGET', key, 'version') or 0) then return 0 end\n",
        new="",
        tests="tests/limiter/test_team_limits.py",
    ),
    Guard(
        name="a team's limits in the rebuild",
        without_it="after Redis lost its data, slots are granted by the limits of the model",
        file="runner/limiter/restore.lua",
        old="take_over_limits(KEYS[3], ARGV[3], ARGV[4], ARGV[5])\n",
        new="",
        tests="tests/limiter/test_team_limits.py -k rebuilt",
    ),
    Guard(
        name="the circuit breaker",
        without_it="the same answers are bought again and again when most requests have an unknown outcome",
        file="runner/rules/sending/breaker.py",
        old="    return bad >= BAD_MIN and 2 * bad > len(window)\n",
        new="    return False\n",
        tests="tests/rules/test_breaker.py tests/engine/test_circuit_breaker.py",
    ),
    Guard(
        name="failed fetches are compared with the answers of their time",
        without_it="the few losses of a run pause it at its end",
        file="runner/rules/sending/breaker.py",
        old="    return missing > answered\n",
        new="    return True\n",
        tests="tests/rules/test_breaker.py",
    ),
    Guard(
        name="nothing is fetched on a full disk",
        without_it="an answer that can be fetched only once is fetched and cannot be kept",
        file="runner/engine/storing/disk_space.py",
        old="    if free >= FREE_BYTES_MIN:\n",
        new="    if free >= 0:\n",
        tests="tests/faults/test_full_disk.py",
    ),
    Guard(
        name="the limit of automatic extras",
        without_it="one job is paid for any number of times",
        file="runner/rules/sending/retry.py",
        old="AUTOMATIC_EXTRAS_MAX: Final = 2 ",
        new="AUTOMATIC_EXTRAS_MAX: Final = 9 ",
        tests="tests/rules/test_retry.py",
    ),
    Guard(
        name="runs take turns",
        without_it="a small run waits behind a large one",
        file="runner/engine/sending/turns.py",
        old="        return sorted(runs, key=self._place)\n",
        new="        return list(runs)\n",
        tests="tests/engine/test_turns.py",
    ),
    Guard(
        name="supervision",
        without_it="a background task of a worker ends and is not started again",
        file="runner/engine/process/supervisor.py",
        old="            await self._wait_after(one, error)\n",
        new="            return\n",
        tests="tests/engine/test_supervised_tasks.py tests/engine/test_supervisor.py",
    ),
    Guard(
        name="the occasion in the identity",
        without_it="a file that is run every night is sent on the first night only",
        file="runner/intake/load.py",
        old='        "occasion": occasion,\n',
        new="",
        tests="tests/intake/test_occasions.py -k sqlite",
    ),
    Guard(
        name="one run of a file in an occasion",
        without_it="a line whose file was edited at night pays for all of it again",
        file="runner/intake/load.py",
        old="        refuse_another_run(database, source, name or _stem(source), name, occasion, sha256)\n",
        new="        pass\n",
        tests="tests/intake/test_occasions.py -k sqlite",
    ),
    Guard(
        name="a night goes on over midnight",
        without_it="a line that is killed before midnight and started after it pays twice",
        file="runner/cli/session/running/run_choice.py",
        old="        if found is None and is_today(word):\n",
        new="        if False:\n",
        tests="tests/cli/test_run_choice.py -k sqlite",
    ),
    Guard(
        name="the first readable answer of an epoch",
        without_it="a job that was sent again is graded by its last answer: drawn until it is right",
        file="runner/evals/grading/grade_measurement.py",
        old="    for number, stored in enumerate(job.results, 1):\n",
        new="    for number, stored in enumerate(reversed(job.results), 1):\n",
        tests="tests/evals/test_grade_measurement.py -k sqlite",
    ),
    Guard(
        name="an answer without a score is no zero",
        without_it="an outage looks like a model that got worse",
        file="runner/rules/evaluation/gate/score_sums.py",
        old="        known = [one for one in scores.get(item, ()) if one is not None]\n",
        new="        known = [one or 0 for one in scores.get(item, ())]\n",
        tests="tests/evals/test_gates.py tests/rules/test_scores.py",
    ),
    Guard(
        name="an invalid night stays out of the pool",
        without_it="a night with few answers becomes what later nights are compared with",
        file="runner/db/evaluation/facts.py",
        old=" AND state = 'ended' AND is_valid = 1\"",
        new=" AND state = 'ended'\"",
        tests="tests/db/test_night_facts.py -k sqlite",
    ),
    Guard(
        name="items with other content are not compared",
        without_it="an edited question looks like a change of the model",
        file="runner/rules/evaluation/suite/item.py",
        old="        content = [self.messages, self.target, self.choices, self.body]\n",
        new="        content = [self.id]\n",
        tests="tests/db/test_night_facts.py -k sqlite",
    ),
    Guard(
        name="graders that differ are not compared",
        without_it="a stricter grader looks like a model that got worse",
        file="runner/db/evaluation/stored_scores.py",
        old="if sha == sha_of[own])",
        new="if sha)",
        tests="tests/db/test_night_facts.py -k sqlite",
    ),
    Guard(
        name="the second measurement before an alarm",
        without_it="one unlucky measurement in twenty is an alarm",
        file="runner/rules/evaluation/gate/night_gate.py",
        old="    if remeasures and tails.lower < REMEASURE_BELOW:\n",
        new="    if False:\n",
        tests="tests/evals/test_gates.py",
    ),
    Guard(
        name="a night that regressed stays out of the pool",
        without_it="a drop that stays becomes the baseline, and the alarm ends by itself",
        file="runner/rules/evaluation/report/verdicts.py",
        old="_STAYS_OUTSIDE: Final = (Verdict.REGRESSED, ",
        new="_STAYS_OUTSIDE: Final = (",
        tests="tests/evals/test_gates.py",
    ),
    Guard(
        name="a night is not continued with other content",
        without_it="the answers of two prompts are mixed in one night",
        file="runner/evals/night/begin_night.py",
        old="            _refuse_other(found, content, suite)\n",
        new="",
        tests="tests/evals/test_whole_nights.py -m 'not soak' -k another_prompt",
    ),
    Guard(
        name="the --on-end command of a night is claimed",
        without_it="two commands of one night send the mail twice",
        file="runner/db/evaluation/on_end_claims.py",
        old=" AND {UNREPORTED}",
        new="",
        tests="tests/db/test_on_end_claims.py -k sqlite",
    ),
    Guard(
        name="code of a suite runs only with --trust-code",
        without_it="a suite from somewhere else runs its code when it is measured",
        file="runner/evals/grading/suite_graders.py",
        old="            if runs_code(spec) and not trusts_code:\n",
        new="            if False:\n",
        tests="tests/evals/test_grader_process.py -k trusted",
    ),
    Guard(
        name="a night begins only where its report has a place",
        without_it="a night without a place for its files stands before all later ones",
        file="runner/cli/session/nights/night_calls.py",
        old="night_end.check_files(night, force=self.flags.force)",
        new="pass",
        tests="tests/evals/test_whole_nights.py -m 'not soak' -k place_that_is_none",
    ),
    Guard(
        name="a request counts in the bucket of its run",
        without_it="a run sends more than its own limit",
        file="runner/limiter/round_trip.lua",
        old="      if run then enter(run, member, at, tokens) end\n",
        new="",
        tests="tests/limiter/test_run_buckets.py tests/limiter/test_run_limits.py",
    ),
    Guard(
        name="a slot waits for the limit of its run alone",
        without_it="one run of 60 requests a minute holds up its neighbour of 3,000",
        file="runner/limiter/round_trip.lua",
        old="    if not (run and is_held_up(run, at, tokens)) then\n",
        new="    if run then at = math.max(at, earliest_in_log(run, tokens)) end\n    if true then\n",
        tests="tests/limiter/test_run_buckets.py",
    ),
    Guard(
        name="the event of a change",
        without_it="nobody can see afterwards who changed a limit",
        file="runner/cli/session/steering/change_options.py",
        old="trail.record(connection, run_id, now_ms, EventKind.SET, ",
        new="dict(",
        tests="tests/faults/test_trail_kills.py -k set",
    ),
    Guard(
        name="numbers over time in the step of the counters",
        without_it="the costs of a day are not what was spent",
        file="runner/db/counts/counters.py",
        old="        run_series.add(connection, shard % run_series.SHARDS, self._counts)\n",
        new="",
        tests="tests/db/test_run_series.py -k sqlite",
    ),
    Guard(
        name="the series of a removed run",
        without_it="the costs of a month shrink with every prune",
        file="runner/db/runs/removal.py",
        old='("frames", "run_counters", "run_events")',
        new='("frames", "run_counters", "run_series", "run_events")',
        tests="tests/db/test_run_series.py -k sqlite",
    ),
)
