"""The simulator as a process: prints its URL when ready, ends at once on a signal, writes its books."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Annotated, Literal

import click
import msgspec
import uvloop
from msgspec import Meta

from runner.simulator.server import SimulatorServer, serve

if TYPE_CHECKING:
    from pathlib import Path

    from runner.simulator.options import Options


class ServerAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the simulator prints when it listens."""

    schema: Annotated[Literal[1], Meta(description="version of this shape: 1; keys may be added within it")]
    url: Annotated[str, Meta(description="the base URL, for XAI_BASE_URL")]
    seed: Annotated[int, Meta(description="of answers, latencies and faults")]


def run(options: Options, *, as_json: bool = False) -> int:
    """Serve until SIGTERM or SIGINT. Return the exit code: 2 if the port cannot be bound, else 0."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return loop.run(_run(options, as_json=as_json))


async def _run(options: Options, *, as_json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = await serve(options)
    except OSError as error:
        cause = error.errno or 0  # negative for a failed host name lookup
        reason = os.strerror(cause) if cause > 0 else str(error.strerror or error)
        place = f"{options.host}:{options.port}"
        click.echo(f"error: simulate cannot listen on {place}: {reason.lower()}", err=True)
        click.echo("fix: runner simulate --port 0 takes a free one", err=True)
        return 2
    if as_json:
        click.echo(msgspec.json.encode(ServerAddress(schema=1, url=server.url, seed=options.seed)))
    else:
        click.echo(f"simulating https://api.x.ai/v1 at {server.url} (seed {options.seed})")
    await stop.wait()
    await server.close()
    if options.books is not None:
        _write_books(server, options.books)
    return 0


def _write_books(server: SimulatorServer, path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(server.books_json(jobs=True))
