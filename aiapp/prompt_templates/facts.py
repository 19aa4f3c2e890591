"""What fetchers draw from (text/fetchers.py), of whoever asks."""

from __future__ import annotations

from collections.abc import Callable

from aiapp.columns import now
from aiapp.prompt_templates.text.fetchers import Facts
from aiapp.workspaces.access import Access


def of(access: Access, output: Callable[[str], str] | None = None) -> Facts:
    """Return the facts as they are now.

    Arguments:
        output: finds earlier outputs (see Facts); None while nothing is run.
    """
    return Facts(
        user_name=access.user.name,
        user_email=access.user.email,
        workspace_name=access.workspace.name,
        workspace_slug=access.workspace.slug,
        at=now(),
        allows=access.allows,
        output=output,
    )
