"""The Location of what a request has made: a view says which address shows it, the answer says which one it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, current_app, request, url_for

View = TypeVar("View", bound=Callable[..., Any])
MADE = frozenset({201, 202})


def creates(endpoint: str, **names: str) -> Callable[[View], View]:
    """Say where the thing that a view makes has its address; also of an answer that is replayed.

    Arguments:
        endpoint: of the API, without its prefix.
        names: fields of the answer, each with the endpoint's parameter that takes its value; what is not named is as in the
            request's own path.
    """

    def mark(view: View) -> View:
        view.creates = (endpoint, names)  # type: ignore[attr-defined]
        return view

    return mark


def locate(response: Response) -> Response:
    """Name the address of what was made (an after_request of the API; RFC 9110, 10.2.2)."""
    made = getattr(current_app.view_functions.get(request.endpoint or ""), "creates", None)
    if made is not None and response.status_code in MADE:
        endpoint, names = made
        answer = response.get_json()
        if not answer.keys() >= names.keys():  # a request was made instead, which somebody has to approve first
            return response
        values = {**(request.view_args or {}), **{name: answer[field] for field, name in names.items()}}
        # url_for makes a query of what the address does not take
        takes = {name for rule in current_app.url_map.iter_rules(f"api.{endpoint}") for name in rule.arguments}
        taken = {name: value for name, value in values.items() if name in takes}
        response.headers["Location"] = url_for(f"api.{endpoint}", **taken)
    return response
