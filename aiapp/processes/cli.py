"""The command `aiapp`. Exit codes: 0 done, 1 it failed (one line says why), 2 wrong usage."""

from __future__ import annotations

import sys
from typing import Any

import click

from aiapp.processes import people, prompt_files, running, upkeep
from aiapp.processes.failures import reason, wrong_use

PRIORITIES = ("high", "default", "low")  # as in aiapp.queue, which would bring Redis and RQ along to every command


class Command(click.Group):
    """The group of all commands; it turns what they raise into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            line = reason(error)
            if line is None:
                raise
            click.echo(f"aiapp: {line}", err=True)
            sys.exit(2 if wrong_use(error) else 1)


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aiapp", message="%(package)s %(version)s")
def main() -> None:
    """Prompt templates, credentials and executions for teams.

    Settings come from the environment: AIAPP_HOME, DATABASE_URL, REDIS_URL and more (see the README).
    """


@main.command()
@click.option("--demo", is_flag=True, help="Seed the demo workspace and show its sign-in; loopback only.")
@click.option("--host", help="Address to listen on (default: AIAPP_HOST, else 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: AIAPP_PORT, else 8000).")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=50, show_default=True, help="Jobs per worker.")
def up(demo: bool, host: str | None, port: int | None, workers: int, concurrency: int) -> None:
    """Run web, workers, scheduler and, without REDIS_URL, Redis."""
    from aiapp.processes import supervisor

    sys.exit(supervisor.up(demo=demo, host=host, port=port, workers=workers, concurrency=concurrency))


@main.command()
@click.option("--host", help="Address to listen on (default: AIAPP_HOST, else 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: AIAPP_PORT, else 8000).")
@click.option("--processes", type=click.IntRange(1, 64), help="Serving processes (default: one a core, at most 2).")
@click.option("--threads", type=click.IntRange(1, 900), default=640, show_default=True, help="Requests per process.")
def web(host: str | None, port: int | None, processes: int | None, threads: int) -> None:
    """Run the web process alone."""
    from aiapp import config
    from aiapp.processes import web
    from aiapp.processes.listening import default_processes

    settings = config.load()
    sys.exit(
        web.main(
            host or settings.host,
            settings.port if port is None else port,
            processes=processes or default_processes(),
            threads=threads,
        )
    )


def _queue_names(ctx: click.Context, option: click.Parameter, value: str) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names or set(names) - set(PRIORITIES):
        raise click.BadParameter(f"a comma list of {', '.join(PRIORITIES)}")
    return names


@main.command()
@click.option(
    "--queues",
    default=",".join(PRIORITIES),
    show_default=True,
    callback=_queue_names,
    help="Queues to serve, most urgent first.",
)
@click.option("--concurrency", type=click.IntRange(1, 1000), default=50, show_default=True, help="Jobs at once.")
def worker(queues: list[str], concurrency: int) -> None:
    """Run one worker process."""
    from aiapp.processes import worker

    sys.exit(worker.main(queues, concurrency))


@main.command()
def scheduler() -> None:
    """Run one scheduler process; of several one leads."""
    from aiapp.processes import scheduler

    sys.exit(scheduler.main())


for command in (*running.COMMANDS, *people.COMMANDS, *prompt_files.COMMANDS, *upkeep.COMMANDS):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="aiapp")
