"""The worker process: Celery tasks that drive the submit loop, the collect loop and the reaper.

A message (see `notify`) gives its thread to a loop for one time slice; if the loop runs already it wakes it.
A task that fails is logged by Celery with its traceback, and the reaper starts the loop again.
`celery -A runner.worker worker` works as well as `runner worker`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import kombu.exceptions
from celery import Task
from celery.beat import EmbeddedService
from celery.platforms import SecurityWarning
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown, worker_shutting_down
from celery.utils.nodenames import default_nodename, host_format
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from runner.db.connection.driver_errors import as_user_error, first_line, is_refused, is_unavailable
from runner.embedded import bug_report, log_redaction, processes, system_errors
from runner.engine.process.loop_thread import LoopThread
from runner.engine.process.watchdog import Watchdog, end_process
from runner.engine.stages import open_stages
from runner.evals.night.detached_nights import DetachedNights
from runner.limiter import refused_commits
from runner.limiter.reaper_turn import ReaperTurn
from runner.limiter.refused_commits import CommitRefusal
from runner.notify import COLLECT, REAP, SUBMIT, app, current_settings, notify_workers, queue_of
from runner.output.finished_runs import FinishedRunWriter
from runner.rules.errors import Unreachable
from runner.rules.exit_codes import ExitCode
from runner.tables.large_blocks import return_large_blocks

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from runner.settings import Settings

log = logging.getLogger("runner.worker")
ANSWERS_WITHIN_S = 10.0  # of Redis, asked through the event loop
PING_ANSWERS_WITHIN_S = 3.0  # short beside the watchdog's interval: it asks while the loop may stand still
PING_EXPIRES_S = 20


class WakeUp(Task):  # type: ignore[misc]
    """A task without arguments; messages of older versions carry the id of a run, which is ignored."""

    def __call__(self, *_ignored: object) -> None:
        self.run()


@app.task(name=SUBMIT, base=WakeUp)
def submit() -> None:
    """Run the submit loop for a time slice, or wake it."""
    worker_process().submit()


@app.task(name=COLLECT, base=WakeUp)
def collect() -> None:
    """Run the collect loop for a time slice, or wake it."""
    worker_process().collect()


@app.task(name=REAP)
def reap() -> None:
    """Recover, complete runs, write files, advance nights, notify the workers if any run is moving."""
    worker_process().reap()


@app.task(name="runner.ping")
def ping() -> None:
    """Note for the watchdog that messages arrive."""
    worker_process().watchdog.ping_came()


class WorkerProcess:
    """An event loop with the stages of this worker, a watchdog, and whose turn it is to reap."""

    def __init__(self, settings: Settings, node: str) -> None:
        self._settings, self.node = settings, node
        self._loop = LoopThread()
        self.stages = self._loop.run(open_stages(settings, node, drain=_end_in_order))
        self._turn = ReaperTurn(self.stages.runtime.redis, node)
        self._database = self.stages.runtime.database
        self._finished = (
            FinishedRunWriter(self._database, settings.output_dir)
            if settings.output_dir is not None
            else None
        )
        self._nights = DetachedNights(settings, self._database)
        self.watchdog = Watchdog(self._loop.loop, self._ping, self.stages.stuck, self._end)
        self.watchdog.start()

    def submit(self) -> None:
        """Run the submit loop for a time slice; queue the next one if work is left."""
        if self._time_slice("submit", self.stages.submitter.run_slice(self._settings.turn_s)):
            submit.apply_async(queue=queue_of(self.node))

    def collect(self) -> None:
        """Run the collect loop for a time slice; queue the next one if work is left."""
        if self._time_slice("collect", self.stages.collector.run_slice(self._settings.turn_s)):
            collect.apply_async(queue=queue_of(self.node))

    def reap(self) -> None:
        """Run the reaper, unless another worker just did; while a service is away, the next beat does."""
        try:
            if not self._loop.run(self._turn.take(), ANSWERS_WITHIN_S):
                return
            self._nights.advance()  # first: it may start a run, of which workers are notified then
            self._reap_and_notify()
            if self._finished is not None:
                self._finished.write()
            self._loop.run(self._turn.note_done(), ANSWERS_WITHIN_S)
        except Exception as error:
            if not _is_service_away(error):
                raise
            log.warning("reaper.postponed cause=%s", first_line(error))

    def stop(self) -> None:
        """Claim nothing more, so that the time slices end."""
        self.watchdog.stop()
        self.stages.stop()

    def close(self) -> None:
        """Finish what is in flight and close everything."""
        self._loop.run(self.stages.close(self._settings.drain_s))
        self._loop.stop()

    def _end(self, why: str) -> None:
        """End this process, after what is in flight where the event loop still runs."""
        log.error("worker.stopping cause=%s", why)
        self.stages.finish_in_flight(self._settings.drain_s)
        end_process(why)

    def _reap_and_notify(self) -> None:
        """Notify the workers unless no run is moving; also after an error: their loops may have ended."""
        is_moving = True
        try:
            is_moving = bool(self.stages.reaper.reap())
        finally:
            if is_moving:
                notify_workers(self._database)

    def _time_slice(self, name: str, time_slice: Coroutine[Any, Any, bool | None]) -> bool:
        """Run a time slice in the event loop; return whether it left work. A service may be away.

        One that finds another at work returns None: it says nothing about the health of the loop.
        """
        began_s = time.monotonic()
        try:
            has_more = self._loop.run(time_slice)
        except Exception as error:
            if not _is_service_away(error):
                self.watchdog.slice_failed(name, time.monotonic() - began_s)
                raise
            log.warning("time_slice.ended name=%s cause=%s", name, first_line(error))
            if isinstance(error, DBAPIError) and is_refused(error):
                self.stages.commit_reports.note_read(as_user_error(error, self._database.url))
            has_more = False
        if has_more is not None:
            self.watchdog.slice_ended(name)
        return bool(has_more)

    def _ping(self) -> None:
        """Send this worker a message that only shows that messages arrive; reap if no beat asks for it."""
        try:
            ping.apply_async(queue=queue_of(self.node), expires=PING_EXPIRES_S, retry=False)
            if self._loop.run(self._turn.is_missing(), PING_ANSWERS_WITHIN_S):
                reap.apply_async(expires=PING_EXPIRES_S, retry=False)
        except Exception as error:
            if not _is_service_away(error):
                raise
            raise Unreachable("Redis does not answer", fix="") from error


def _end_in_order(*_: object) -> None:
    """End this worker as SIGTERM does: it begins nothing new, and finishes what is in flight."""
    os.kill(os.getpid(), signal.SIGTERM)


def _is_service_away(error: Exception) -> bool:
    """Return whether an error means that Redis or the database is away: they come back."""
    if isinstance(error, DBAPIError):
        return is_unavailable(error)
    return isinstance(error, (kombu.exceptions.OperationalError, RedisError, OSError, Unreachable))


_lock = threading.Lock()
_process: list[WorkerProcess] = []
_node: list[str] = [socket.gethostname()]


def worker_process() -> WorkerProcess:
    """Return the WorkerProcess of this process, made at the first call, after any fork."""
    with _lock:
        if not _process:
            _process.append(WorkerProcess(current_settings(), _node[0]))
        return _process[0]


@celeryd_after_setup.connect
def _on_setup(sender: str, instance: Any, **_: Any) -> None:
    """Consume the worker's own queue; log no secrets."""
    log_redaction.install(current_settings().secrets)
    _node[0] = sender
    instance.app.amqp.queues.select_add(queue_of(sender))


@worker_ready.connect
def _on_ready(**_: Any) -> None:
    """Look for work at once, and run beat where asked to. SIGHUP ends a worker as SIGTERM does."""
    signal.signal(signal.SIGHUP, _end_in_order)
    return_large_blocks()
    try:
        queue = queue_of(worker_process().node)
        for task in (reap, submit, collect):
            task.apply_async(queue=queue)
        if os.environ.get("RUNNER_BEAT") == "1":
            EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler).start()
    except Exception as error:  # noqa: BLE001 - Celery would only log it, and this process would idle for ever
        end_process(f"it could not start: {first_line(error)}", report_failed_start(error))


def report_failed_start(error: Exception) -> int:
    """Return the exit code of a worker that could not start; report a database that refuses it (`status`)."""
    if not isinstance(error, DBAPIError):
        return ExitCode.UNREACHABLE if _is_service_away(error) else ExitCode.BUG
    known = system_errors.known(error)
    if known is None:
        return ExitCode.BUG
    refusal = CommitRefusal(known.what, known.fix, time.time_ns() // 1_000_000)
    with suppress(Unreachable):
        refused_commits.report_start(current_settings().effective_redis_url, _node[0], refusal)
    return known.exit_code


@worker_shutting_down.connect
def _on_stop(**_: Any) -> None:
    """Claim nothing more, so that the time slices end; end the process within its drain time in any case."""
    if _process:
        drain_s = current_settings().drain_s
        deadline = threading.Timer(drain_s, end_process, [f"it did not end within {drain_s:g} s"])
        deadline.daemon = True
        deadline.start()
        _process[0].stop()


@worker_shutdown.connect
def _on_stopped(**_: Any) -> None:
    """Finish what is in flight and close everything."""
    if _process:
        _process[0].close()


def serve(node: str, *, beat: bool) -> None:
    """Run one worker in this process until SIGTERM."""
    if beat:
        os.environ["RUNNER_BEAT"] = "1"
    worker = app.Worker(  # not worker_main: Celery's command line takes longer to import than all of this
        hostname=host_format(default_nodename(f"{node}@%h")),
        quiet=True,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    sys.exit(worker.exitcode)


def main() -> None:
    """Run as a child of the engine: `--node w1 [--beat]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", default="w1")
    parser.add_argument("--beat", action="store_true")
    arguments = parser.parse_args()
    processes.die_with_parent()
    warnings.simplefilter("ignore", SecurityWarning)  # of running as root: messages here are JSON only
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        serve(arguments.node, beat=arguments.beat)
    except Exception as error:  # noqa: BLE001 - the outermost frame: a bug is logged, its report kept
        known = system_errors.known(error)
        if known is not None:
            log.error("%s; %s", known.what, known.fix)
            sys.exit(known.exit_code)
        log.error("worker.bug cause=%s report=%s", *bug_report.write(error))
        sys.exit(ExitCode.BUG)
