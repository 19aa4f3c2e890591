"""The command `aiapp run`: execute a prompt template, and print what the model answered."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiapp.processes import entering
from aiapp.processes.children import ProcessError
from aiapp.processes.failures import WrongUse, reason

# A week: what has not ended by then is looked up, not waited for.
MOST_SECONDS = 604_800.0

if TYPE_CHECKING:
    from aiapp.executions.models import Execution
    from aiapp.executions.streaming.stream import Event
    from aiapp.workspaces.access import Access

TIMED_OUT = 124  # as timeout(1) has it
INTERRUPTED = 130
# A terminal obeys these; a model may write them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _number(context: click.Context, option: click.Parameter, value: float) -> float:
    """Refuse "nan", which every range lets through."""
    if value != value:
        raise click.BadParameter("this is not a number of seconds")
    return value


@click.command("run")
@click.argument("template", metavar="SLUG")
@entering.workspace
@entering.user
@click.option(
    "--var", "variables", multiple=True, metavar="NAME=VALUE", help="NAME=@FILE takes a file's text, @@ an @."
)
@click.option(
    "--context",
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The values as a JSON object; --var goes before it.",
)
@click.option("--version", type=click.IntRange(1), help="Default: the published version.")
@click.option("--label", help="The version that this label points to.")
@click.option("--provider", help="Only credentials of this provider.")
@click.option("--credential", help="This credential and no other: its name or id.")
@click.option("--model", help="Instead of the version's, or the credential's.")
@click.option("--priority", type=click.Choice(["high", "default", "low"]), default="default", show_default=True)
@click.option("--wait", is_flag=True, help="Wait for the answer and print it; else the execution's id is printed.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, MOST_SECONDS),
    callback=_number,
    default=600.0,
    show_default=True,
    help="Seconds to wait.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the execution as the API shows it.")
def run(slug: str | None, email: str | None, wait: bool, timeout: float, as_json: bool, **asked: Any) -> None:
    """Execute the prompt template SLUG; a worker does the work. Exit code 1 where it failed, 124 where --timeout ran out."""
    from aiapp import config
    from aiapp.errors import InvalidInput

    settings = config.load()
    if not os.environ.get("AIAPP_LOG_LEVEL"):
        settings = replace(settings, log_level="warning")  # what is printed here is read by people
    context = _context(asked["file"], asked["variables"])
    with entering.application(settings):
        access = entering.enter(slug, email, "viewer")
        try:
            execution = _submit(access, context, asked)
        except InvalidInput as error:
            raise WrongUse(reason(error) or str(error)) from error
        if wait:
            execution = _await(execution, timeout, written=not as_json and sys.stdout.isatty())
        if as_json:
            from aiapp.api.execution_shapes import show

            click.echo(json.dumps(show(access, execution), indent=2, ensure_ascii=False))
        elif not wait:
            click.echo(execution.id)
        elif execution.output and execution.status == "completed" and not sys.stdout.isatty():
            click.echo(execution.output)
        if wait:
            _tell(execution)


def _submit(access: Access, context: dict[str, Any], asked: dict[str, Any]) -> Execution:
    from aiapp.executions import actions

    names = ("version", "label", "provider", "model", "priority")
    return actions.submit(
        access,
        actions.Submission(
            prompt_template=asked["template"],
            context=context,
            credential_id=_credential(access, asked["credential"]),
            source="cli",
            **{name: asked[name] for name in names},
        ),
    )


def _context(file: Path | None, variables: tuple[str, ...]) -> dict[str, Any]:
    """Return the values: those of the file, and over them the ones that were given one by one. Raises WrongUse."""
    context: Any = {}
    if file is not None:
        try:
            context = json.loads(_text(file))
        except (ValueError, RecursionError) as error:
            raise WrongUse(f"{file} is not JSON ({error})") from error
        if not isinstance(context, dict):
            raise WrongUse(f"{file} holds no JSON object")
    for given in variables:
        name, equals, value = given.partition("=")
        if not equals or not name:
            raise WrongUse(f"--var takes NAME=VALUE, not {given!r}")
        literal = value[1:] if value.startswith("@@") else value
        context[name] = _text(Path(value[1:])) if value.startswith("@") and literal is value else literal
    return context  # type: ignore[no-any-return]  # a dict by now


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"{file} cannot be read ({type(error).__name__})") from error


def _credential(access: Access, wanted: str | None) -> str | None:
    """Return the id of the credential with this name or id. Raises WrongUse where there is none, or more than one."""
    from aiapp.credentials.order import usable_by

    if wanted is None:
        return None
    found = [row for row in usable_by(access.workspace.id, access.user.id) if wanted in (row.id, row.name)]
    if len(found) != 1:
        many = "several credentials have the name" if found else "there is no credential"
        raise WrongUse(f"{many} {wanted}; ids are under Credentials" if found else f"{many} {wanted}")
    return found[0].id


def _await(execution: Execution, timeout: float, *, written: bool) -> Execution:
    """Return the execution once it has ended; `written` prints the answer as it comes."""
    from aiapp.executions import beside
    from aiapp.executions.streaming import stream
    from aiapp.extensions import db

    execution_id = execution.id
    trouble = beside.waits_for(execution)
    if trouble:
        click.echo(f"aiapp: {trouble}", err=True)
    db.session.remove()
    out_of_time = threading.Timer(timeout, stream.closing.set)  # ends the stream, too
    out_of_time.daemon = True
    out_of_time.start()
    try:
        if written:
            for text in stream.follow(execution_id, encode=_Terminal()) or ():
                click.echo(text, nl=False)
            click.echo()
        return beside.ended(execution_id, timeout)
    except TimeoutError as error:
        click.echo(f"aiapp: {error}", err=True)
        sys.exit(TIMED_OUT)
    except KeyboardInterrupt:
        click.echo(f"\naiapp: the execution {execution_id} goes on without you", err=True)
        sys.exit(INTERRUPTED)
    finally:
        out_of_time.cancel()


class _Terminal:
    """Makes of an execution's events what a terminal shows; an answer that begins anew says so."""

    def __init__(self) -> None:
        self._written = False

    def __call__(self, event: Event | None) -> str:
        if event is None:
            return ""
        if event.name == "delta":
            self._written = True
            return _CONTROL.sub("\ufffd", event.data["text"])
        if event.name == "attempt" and self._written:
            self._written = False
            return f"\n[it broke off; attempt {event.data['number']} answers anew]\n"
        return ""


def _tell(execution: Execution) -> None:
    """Say on stderr what is wrong with an execution that has ended; end the process with 1 unless it was completed."""
    from aiapp.executions.showing import error_title

    if execution.status != "completed":
        why = execution.error_message or error_title(execution.error_class)
        raise ProcessError(f"the execution {execution.id} is {execution.status}: {why}")
    for problem in execution.problems:
        click.echo(f"aiapp: {problem}", err=True)


COMMANDS: tuple[click.Command, ...] = (run,)
