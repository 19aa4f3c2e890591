"""What is left of texts that were erased: keyed hashes and lengths."""

from __future__ import annotations

import json
from typing import Any

from aiapp import sealing
from aiapp.credentials import vault
from aiapp.executions.models import Execution
from aiapp.workspaces.models import Workspace


def remains_of(workspace: Workspace, execution: Execution) -> dict[str, Any]:
    """Return the columns: hashes and lengths in characters of what was sent and what came back; None where no key opens them."""
    none = dict.fromkeys(("input_hash", "input_characters", "output_hash", "output_characters"))
    if not sealing.readable(execution):
        return none
    try:
        key = vault.data_key(workspace.id, workspace.data_key)
    except vault.Unreadable:
        return none
    sent = [execution.system, *(message["content"] for message in execution.messages), execution.body]
    as_sent = json.dumps([execution.system, execution.messages, execution.body], ensure_ascii=False)
    output = execution.output
    return {
        "input_hash": key.keyed_hash("input", as_sent),
        "input_characters": sum(map(len, sent)),
        "output_hash": None if output is None else key.keyed_hash("output", output),
        "output_characters": None if output is None else len(output),
    }
