"""The worker: Celery brings hints, and every task is a doorbell of a few lines.

Hints to submit and to collect are broadcast: each worker process that is not at it already lends a thread
to its pump. Losing a hint or getting it twice is harmless: the database says what there is to do, and beat
rings again. `celery -A runner.worker worker` works as well as `runner worker`.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from kombu import Queue
from kombu.common import Broadcast

from runner import settings as settings_of
from runner.embedded import processes
from runner.engine.collect import Collect
from runner.engine.station import Station
from runner.engine.submit import Submit
from runner.engine.sweep import sweep as sweep_all

if TYPE_CHECKING:
    from runner.settings import Settings

BEAT_S = 5.0
THREADS = 6  # one for each pump, the sweep, and some to answer hints that are late
DRAIN_S = 65.0  # a POST or a fetch in flight may take a minute


@cache
def current_settings() -> Settings:
    """Return this process's settings, read once."""
    return settings_of.load(os.environ, Path.cwd())


app = Celery("runner")
app.conf.update(
    broker_url=current_settings().broker_url,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 30,
        "socket_keepalive": True,
        "global_keyprefix": "runner:",
    },
    task_queues=(Broadcast("doorbell"), Queue("sweep")),
    task_routes={
        "runner.submit": {"queue": "doorbell", "exchange": "doorbell"},
        "runner.collect": {"queue": "doorbell", "exchange": "doorbell"},
        "runner.sweep": {"queue": "sweep"},
    },
    task_default_queue="sweep",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_concurrency=THREADS,
    worker_pool="threads",
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    task_serializer="json",
    accept_content=["json"],
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={"sweep": {"task": "runner.sweep", "schedule": BEAT_S}},
)


@app.task(name="runner.submit")
def submit(run_id: int) -> None:
    """Work for a run's pending jobs, and those of all others, for a turn."""
    pumps().submit(run_id)


@app.task(name="runner.collect")
def collect(run_id: int) -> None:
    """Work for a run's waiting answers, and those of all others, for a turn."""
    pumps().collect(run_id)


@app.task(name="runner.sweep")
def sweep() -> None:
    """Heal, finish, and ring for whatever should be moving."""
    for run_id in sweep_all(pumps().station):
        ring(run_id)


def ring(run_id: int) -> None:
    """Send both hints for a run to every worker."""
    submit.delay(run_id)
    collect.delay(run_id)


class Pumps:
    """The station of this process and the pumps on it."""

    def __init__(self, settings: Settings) -> None:
        self.station = Station(settings)
        self._submit, self._collect = Submit(self.station), Collect(self.station)

    def submit(self, run_id: int) -> None:
        """Lend this thread to the submit pump for a turn; ring again if work is left."""
        if self.station.run(self._submit.turn(self.station.settings.turn_s)):
            submit.delay(run_id)

    def collect(self, run_id: int) -> None:
        """Lend this thread to the collect pump for a turn; ring again if work is left."""
        if self.station.run(self._collect.turn(self.station.settings.turn_s)):
            collect.delay(run_id)


_lock = threading.Lock()
_pumps: list[Pumps] = []


def pumps() -> Pumps:
    """Return this process's pumps; they are made when first asked for, after any fork."""
    with _lock:
        if not _pumps:
            _pumps.append(Pumps(current_settings()))
        return _pumps[0]


@worker_ready.connect
def _on_ready(**_: Any) -> None:
    """Look for work at once, and play the beat where asked to."""
    pumps()
    if os.environ.get("RUNNER_BEAT") == "1":
        EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler).start()
    for delay_s in (0.0, 0.3, 1.0):  # a broadcast before the subscription stands is lost
        timer = threading.Timer(delay_s, ring, (0,))
        timer.daemon = True
        timer.start()


@worker_shutting_down.connect
def _on_stop(**_: Any) -> None:
    """Claim nothing more, so that the turns end."""
    if _pumps:
        _pumps[0].station.stop()


@worker_shutdown.connect
def _on_stopped(**_: Any) -> None:
    """Finish what is in flight and leave in good order."""
    if _pumps:
        _pumps[0].station.close(DRAIN_S)


def serve(node: str, *, beat: bool) -> None:
    """Run one worker in this process until SIGTERM."""
    if beat:
        os.environ["RUNNER_BEAT"] = "1"
    app.worker_main(
        [
            *("worker", "--hostname", f"{node}@%h", "--pool", "threads", "--concurrency", str(THREADS)),
            *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"),
        ]
    )


def main() -> None:
    """Run as a child of the engine: `python -m runner.worker --node w1 [--beat]`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", default="w1")
    parser.add_argument("--beat", action="store_true")
    arguments = parser.parse_args()
    processes.die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    serve(arguments.node, beat=arguments.beat)


if __name__ == "__main__":
    # Celery finds the tasks by module name; as `__main__` they would be there twice.
    from runner import worker  # noqa: PLW0406

    worker.main()
