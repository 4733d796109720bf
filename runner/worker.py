"""The worker: every task of Celery is a doorbell of a few lines (see `hints`).

A hint lends a thread to the pump that it is for, unless that is at it already.
`celery -A runner.worker worker` works as well as `runner worker`.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import socket
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import kombu.exceptions
from celery.beat import EmbeddedService
from celery.platforms import SecurityWarning
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown, worker_shutting_down
from celery.utils.nodenames import default_nodename, host_format
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from runner.db.trouble import first_line, is_away
from runner.embedded import bug_report, processes
from runner.engine.collect import Collect
from runner.engine.station import Station
from runner.engine.submit import Submit
from runner.engine.sweep import sweep as sweep_all
from runner.engine.watchdog import Watchdog, end_process
from runner.hints import COLLECT, SUBMIT, SWEEP, app, current_settings, doorbell, ring
from runner.output.finished import Finished
from runner.rules.errors import Unreachable
from runner.rules.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from runner.settings import Settings

log = logging.getLogger("runner.worker")
REDIS_S = 5.0
GARBAGE_AFTER = 20_000  # objects; jobs leave hardly any, and each collection looks at all that are in flight
SWEPT = "{runner}:swept"  # kept for a while after each sweep, so that a missing beat is noticed
SWEPT_S = 20
SWEEPING = "{runner}:sweeping"  # so that two beats make one sweep
SWEEPING_MS = 2_000
PULSE_EXPIRES_S = 20


@app.task(name=SUBMIT)
def submit(run_id: int) -> None:
    """Work for a run's pending jobs, and those of all others, for a turn."""
    pumps().submit(run_id)


@app.task(name=COLLECT)
def collect(run_id: int) -> None:
    """Work for a run's waiting answers, and those of all others, for a turn."""
    pumps().collect(run_id)


@app.task(name=SWEEP)
def sweep() -> None:
    """Heal, finish, write what has ended, and ring for whatever should be moving."""
    pumps().sweep()


@app.task(name="runner.pulse")
def pulse() -> None:
    """Tell the watchdog that hints make their way."""
    pumps().watchdog.hint_came()


class Pumps:
    """The station of this process, the pumps on it, and what watches over them."""

    def __init__(self, settings: Settings, node: str) -> None:
        self.station = Station(settings, node)
        self._submit, self._collect = Submit(self.station), Collect(self.station)
        self._redis = Redis.from_url(settings.effective_redis_url, socket_timeout=REDIS_S)
        self._finished = (
            Finished(self.station.database, settings.output_dir) if settings.output_dir is not None else None
        )
        self.watchdog = Watchdog(self.station.loop, self._ring_myself)
        self.watchdog.start()

    def submit(self, run_id: int) -> None:
        """Lend this thread to the submit pump for a turn; ring again if work is left."""
        if self._lend(self._submit.turn(self.station.settings.turn_s)):
            submit.apply_async((run_id,), queue=doorbell(self.station.node))

    def collect(self, run_id: int) -> None:
        """Lend this thread to the collect pump for a turn; ring again if work is left."""
        if self._lend(self._collect.turn(self.station.settings.turn_s)):
            collect.apply_async((run_id,), queue=doorbell(self.station.node))

    def sweep(self) -> None:
        """Sweep, unless another worker just did; while a service is away, it is left to the next beat."""
        try:
            if not self._redis.set(SWEEPING, self.station.node, nx=True, px=SWEEPING_MS):
                return
            for run_id in sweep_all(self.station):
                ring(self.station.database, run_id)
            if self._finished is not None:
                self._finished.write()
            self._redis.set(SWEPT, self.station.node, ex=SWEPT_S)
        except Exception as error:
            if not _is_service_away(error):
                raise
            log.warning("sweep.later cause=%s", first_line(error))

    def _lend(self, turn: Coroutine[Any, Any, bool]) -> bool:
        """Return whether a turn left work to do; one that ends because a service is away is not its fault."""
        try:
            has_more = self.station.run(turn)
        except Exception as error:
            if not _is_service_away(error):
                self.watchdog.turn_failed()
                raise
            log.warning("turn.ended cause=%s", first_line(error))
            has_more = False
        self.watchdog.turn_went()
        return has_more

    def _ring_myself(self) -> None:
        """Send this worker a hint that only shows that hints come; sweep if no beat asks for it."""
        try:
            pulse.apply_async(queue=doorbell(self.station.node), expires=PULSE_EXPIRES_S, retry=False)
            if not self._redis.exists(SWEPT):
                sweep.apply_async(expires=PULSE_EXPIRES_S, retry=False)
        except Exception as error:
            if not _is_service_away(error):
                raise
            raise Unreachable("Redis does not answer", fix="") from error


def _is_service_away(error: Exception) -> bool:
    """Say whether an error is of Redis or the database being away: they come back."""
    if isinstance(error, DBAPIError):
        return is_away(error)
    return isinstance(error, (kombu.exceptions.OperationalError, RedisError, OSError, Unreachable))


_lock = threading.Lock()
_pumps: list[Pumps] = []
_node: list[str] = [socket.gethostname()]


def pumps() -> Pumps:
    """Return this process's pumps; they are made when first asked for, after any fork."""
    with _lock:
        if not _pumps:
            _pumps.append(Pumps(current_settings(), _node[0]))
        return _pumps[0]


@celeryd_after_setup.connect
def _on_setup(sender: str, instance: Any, **_: Any) -> None:
    """Listen to the worker's own doorbell."""
    _node[0] = sender
    instance.app.amqp.queues.select_add(doorbell(sender))


@worker_ready.connect
def _on_ready(**_: Any) -> None:
    """Look for work at once, and play the beat where asked to. SIGHUP ends a worker as SIGTERM does."""
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    for task in (sweep, submit, collect):
        words = () if task is sweep else (0,)
        task.apply_async(words, queue=doorbell(pumps().station.node))
    if os.environ.get("RUNNER_BEAT") == "1":
        EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler).start()


@worker_shutting_down.connect
def _on_stop(**_: Any) -> None:
    """Claim nothing more, so that the turns end; whatever happens, the process ends within its drain time."""
    if _pumps:
        station, drain_s = _pumps[0].station, current_settings().drain_s
        _pumps[0].watchdog.stop()
        deadline = threading.Timer(drain_s, end_process, [f"it did not end within {drain_s:g} s"])
        deadline.daemon = True
        deadline.start()
        station.stop()


@worker_shutdown.connect
def _on_stopped(**_: Any) -> None:
    """Finish what is in flight and leave in good order."""
    if _pumps:
        _pumps[0].station.close(current_settings().drain_s)


def serve(node: str, *, beat: bool) -> None:
    """Run one worker in this process until SIGTERM."""
    if beat:
        os.environ["RUNNER_BEAT"] = "1"
    worker = app.Worker(  # not worker_main: the command line of Celery takes longer to load than all of this
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
    except Exception as error:  # noqa: BLE001 - the last door: a bug is told, and its report is kept
        log.error("worker.bug cause=%s report=%s", *bug_report.write(error))
        sys.exit(ExitCode.BUG)
