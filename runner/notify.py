"""Notify workers of new work, by Celery messages on one queue per worker process.

A message carries nothing: the database holds the work. A lost message costs seconds, since beat starts the
reaper every BEAT_S, which notifies again; a message that comes twice does nothing more.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from celery import Celery

from runner import celery_variables
from runner import settings as settings_of
from runner.db.workers import workers

if TYPE_CHECKING:
    from runner.db.session import Database
    from runner.settings import Settings

BEAT_S = 5.0
EXPIRES_S = 60
THREADS = 6  # of a worker: one for each loop, one for the reaper, the others for messages meanwhile
SUBMIT, COLLECT, REAP = "runner.submit", "runner.collect", "runner.reap"


@cache
def current_settings() -> Settings:
    """Return this process's settings, read once."""
    return settings_of.load_here()


celery_variables.remove(os.environ)
# A loader and fixups of our own choice: the defaults look into the environment.
app = Celery("runner", loader="celery.loaders.app:AppLoader", fixups=[])
app.conf.update(
    broker_url=current_settings().broker_url,
    broker_read_url=current_settings().broker_url,  # both, since `celery -b` sets a variable for the first
    broker_write_url=current_settings().broker_url,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_keepalive": True,
    },
    task_default_queue="reaper",
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
    beat_schedule={"reaper": {"task": REAP, "schedule": BEAT_S, "options": {"expires": 2 * BEAT_S}}},
)


def notify_workers(database: Database) -> None:
    """Send a submit and a collect message to each live worker.

    Raise kombu.exceptions.OperationalError when Redis does not answer.
    """
    with database.read() as connection:
        alive = workers.alive(connection, database.now_ms() - workers.ALIVE_MS)
    for node in {worker.node for worker in alive}:
        for task in (SUBMIT, COLLECT):
            app.send_task(task, queue=queue_of(node), expires=EXPIRES_S)


def queue_of(node: str) -> str:
    """Return the name of a worker's queue."""
    return f"notify.{node}"
