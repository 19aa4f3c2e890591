"""Calls of the JSON API that can be pasted as they are."""

from __future__ import annotations

import json
import pprint
from collections.abc import Mapping
from textwrap import indent
from typing import Any


def snippets(base_url: str, slug: str, context: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (id, title, code) of each way to execute the prompt template `slug` with `context`."""
    url = f"{base_url}/api/v1/prompt-templates/{slug}/executions"
    return [
        ("curl", "curl", _curl(base_url, url, context)),
        ("python", "Python", _python(base_url, url, context)),
    ]


def _curl(base_url: str, url: str, context: Mapping[str, Any]) -> str:
    # A quoted here-document: the shell expands nothing inside of it, whatever the values hold. A line that is JSON never
    # equals its end mark.
    body = json.dumps({"context": context}, indent=2, ensure_ascii=False)
    return (
        f'curl -sS "{url}" \\\n'
        '  -H "Authorization: Bearer $AIAPP_TOKEN" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  --data-binary @- <<'JSON'\n{body}\nJSON\n\n"
        "# the answer names the execution's id; this waits for its end, up to a minute\n"
        f'curl -sS "{base_url}/api/v1/executions/<id>?wait=60" -H "Authorization: Bearer $AIAPP_TOKEN"'
    )


def _python(base_url: str, url: str, context: Mapping[str, Any]) -> str:
    values = pprint.pformat(dict(context), width=100, sort_dicts=False)
    return (
        "import os\n\nimport httpx\n\n"
        f'aiapp = httpx.Client(base_url="{base_url}/api/v1", timeout=70)\n'
        'aiapp.headers["Authorization"] = f"Bearer {os.environ[\'AIAPP_TOKEN\']}"\n\n'
        f"context = {indent(values, '          ').lstrip()}\n"
        f'answer = aiapp.post("{url.removeprefix(base_url + "/api/v1")}", json={{"context": context}}).raise_for_status()\n'
        "execution = answer.json()\n"
        'while execution["status"] in ("pending", "processing"):\n'
        '    execution = aiapp.get(f"/executions/{execution[\'id\']}", params={"wait": 60}).raise_for_status().json()\n'
        'print(execution["output"])'
    )
