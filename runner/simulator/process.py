"""The simulator as a process: says when it is ready, ends at once when asked, leaves its books behind."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import click
import orjson
import uvloop

from runner.simulator.server import Running, serve

if TYPE_CHECKING:
    from pathlib import Path

    from runner.simulator.options import Options


def run(options: Options, *, as_json: bool = False) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code, 2 if the port cannot be had."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return loop.run(_run(options, as_json=as_json))


async def _run(options: Options, *, as_json: bool) -> int:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    try:
        running = await serve(options)
    except OSError as error:
        cause = error.errno or 0  # negative: of the search for the name
        reason = os.strerror(cause) if cause > 0 else str(error.strerror or error)
        place = f"{options.host}:{options.port}"
        click.echo(f"error: simulate cannot listen on {place}: {reason.lower()}", err=True)
        click.echo("fix: runner simulate --port 0 takes a free one", err=True)
        return 2
    if as_json:
        click.echo(orjson.dumps({"schema": 1, "url": running.url, "seed": options.seed}))
    else:
        click.echo(f"simulating https://api.x.ai/v1 at {running.url} (seed {options.seed})")
    await asked.wait()
    await running.close()
    if options.books is not None:
        _write(running, options.books)
    return 0


def _write(running: Running, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(running.books_json(jobs=True))
