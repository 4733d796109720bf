"""The worker: Celery brings hints, and every task is a doorbell of a few lines.

Hints to submit and to collect are broadcast: each worker process that is not at it already lends a thread
to its pump. Losing a hint or getting it twice is harmless: the database says what there is to do, and beat
rings again. `celery -A runner.worker worker` works as well as `runner worker`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from celery import Celery
from celery.signals import worker_process_shutdown, worker_ready, worker_shutting_down
from kombu import Queue
from kombu.common import Broadcast

from runner import settings as settings_of
from runner.engine.collect import Collect
from runner.engine.station import Station
from runner.engine.submit import Submit
from runner.engine.sweep import sweep as sweep_all
from runner.settings import Settings

BEAT_S = 5.0
DRAIN_S = 75.0  # a POST and a fetch may take 60 s each way


@cache
def current_settings() -> Settings:
    """Return this process's settings, read once."""
    return settings_of.load(os.environ, Path.cwd())


def _broker() -> str:
    url = current_settings().effective_redis_url
    return url.replace("unix://", "redis+socket://", 1)


app = Celery("runner")
app.conf.update(
    broker_url=_broker(),
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
    worker_concurrency=6,
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
