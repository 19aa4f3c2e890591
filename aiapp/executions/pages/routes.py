"""What the pages of executions share: the blueprint, its words, and what a template needs to show one."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, request, url_for

from aiapp.columns import new_id
from aiapp.executions import actions, explaining, pauses, repeating, showing, timeline
from aiapp.executions.models import Execution
from aiapp.executions.outputs import formats
from aiapp.executions.running import round_words, rounds
from aiapp.executions.streaming import stream
from aiapp.workspaces.access import Access

blueprint = Blueprint("executions", __name__)

# Executions beside each other, of the same values.
SIDES = tuple(str(number) for number in range(1, actions.MOST_COMPARED + 1))


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
        "nothing_used",
        "execution_title",
        "poll",
    )
    told = {name: getattr(showing, name) for name in names}
    return {**told, "cut_off": showing.CUT_OFF, "starts": round_words.starts, "name_all": round_words.name_all}


def address(access: Access, execution: Execution) -> str:
    """Return the path of an execution's page."""
    return url_for("executions.show", workspace=access.workspace.slug, execution_id=execution.id)


def diff_address(access: Access, old: Execution, new: Execution, **more: Any) -> str:
    """Return the path of the page with what differs between two outputs."""
    path: dict[str, Any] = {"workspace": access.workspace.slug, "execution_id": old.id, "other_id": new.id}
    return url_for("executions.diff", **path, **more)


def shown(access: Access, execution: Execution) -> dict[str, Any]:
    """Return what the templates of one execution need."""
    version = execution.prompt_version
    path: dict[str, Any] = {"workspace": access.workspace.slug, "execution_id": execution.id}
    last = execution.attempts[-1].number if execution.attempts else 0
    streams = not execution.finished and stream.has_room()
    view = asked_view if (asked_view := request.args.get("view")) in ("source", "diff") else "rendered"
    return {
        "execution": execution,
        "view": view,
        "output_view": formats.of(execution.format).view,
        "shown_output": showing.shown_output(execution),
        "rendered": showing.rendered(execution) if execution.output and view == "rendered" else None,
        "rounds": round_words.rounds_of(execution),
        "moments": timeline.moments(execution),
        "next_round": round_words.next_round(execution, rounds.rules()),
        "held_back": explaining.held_back(execution),
        "refused": explaining.refusing(access, execution),
        "pause": (pause := pauses.of_execution(execution)),
        "pause_told": pauses.told(pause) if pause is not None else "",
        "pause_ends": pauses.ends(pause) if pause is not None else "",
        "stream_url": url_for("executions.stream_text", attempt=last, **path) if streams else None,
        "side": side if (side := request.values.get("side")) in SIDES else "",
        "against": against if re.fullmatch("[0-9a-f]{32}", against := request.values.get("against", "")) else "",
        "unpins": showing.UNPINS if repeating.rerun_unpins(access, execution) else "",
        "unpinned": showing.UNPINNED if execution.unpinned else "",
        "once": request.form.get("once") or new_id(),
        "shows_hashes": execution.shows_hashes_to(access),
        "may_run": access.allows("editor") or (version is not None and version.status == "published"),
    }
