"""Who gets to the pages of the whole installation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask_login import current_user

from aiapp.installation.actions import demand_administrator
from aiapp.workspaces.access import to_login

View = Callable[..., Any]


def administrators(view: View) -> View:
    """Let in system administrators alone. Raises Denied; an anonymous visitor is sent to the login page."""

    @wraps(view)
    def authorised(**values: Any) -> Any:
        if not current_user.is_authenticated:
            return to_login()
        demand_administrator(current_user)
        return view(**values)

    return authorised
