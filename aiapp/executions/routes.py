"""What the pages of executions share: the blueprint, its words, and what a template needs to show one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request, url_for

from aiapp.executions import explaining, formats, pauses, repeating, round_words, rounds, showing, stream
from aiapp.executions.models import Execution
from aiapp.workspaces.access import Access

blueprint = Blueprint("executions", __name__)

# Two executions beside each other, of the same values.
SIDES = ("left", "right")


@blueprint.app_context_processor
def words() -> dict[str, Any]:
    """The words that the templates of executions use."""
    names = (
        "error_title",
        "error_advice",
        "provider_label",
        "state_word",
        "author",
        "waited_ms",
        "execution_title",
        "poll",
    )
    told = {name: getattr(showing, name) for name in names}
    return {**told, "cut_off": showing.CUT_OFF, "starts": round_words.starts, "name_all": round_words.name_all}


def address(access: Access, execution: Execution) -> str:
    """Return the path of an execution's page."""
    return url_for("executions.show", workspace=access.workspace.slug, execution_id=execution.id)


def shown(access: Access, execution: Execution) -> dict[str, Any]:
    """Return what the templates of one execution need."""
    version = execution.prompt_version
    path: dict[str, Any] = {"workspace": access.workspace.slug, "execution_id": execution.id}
    last = execution.attempts[-1].number if execution.attempts else 0
    streams = not execution.finished and stream.has_room()
    view = "source" if request.args.get("view") == "source" else "rendered"
    return {
        "execution": execution,
        "view": view,
        "output_view": formats.of(execution.format).view,
        "shown_output": showing.shown_output(execution),
        "rendered": showing.rendered(execution) if execution.output and view == "rendered" else None,
        "rounds": round_words.rounds_of(execution),
        "next_round": round_words.next_round(execution, rounds.rules()),
        "held_back": explaining.held_back(execution),
        "costs": showing.costs(execution),
        "pause": (pause := pauses.of_execution(execution)),
        "pause_told": pauses.told(pause) if pause is not None else "",
        "pause_ends": pauses.ends(pause) if pause is not None else "",
        "stream_url": url_for("executions.stream_text", attempt=last, **path) if streams else None,
        "side": side if (side := request.values.get("side")) in SIDES else "",
        "unpins": showing.UNPINS if repeating.rerun_unpins(access, execution) else "",
        "unpinned": showing.UNPINNED if execution.unpinned else "",
        "may_run": access.allows("editor") or (version is not None and version.status == "published"),
    }
