"""What people think of a workspace's executions: counted, compared, listed, and as a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from flask import Response as StreamedResponse
from flask import render_template, request, stream_with_context
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.executions.lists import list_options, list_query
from aiapp.feedback import exporting, reports, trend, votes, wilson
from aiapp.feedback.models import RATINGS
from aiapp.feedback.reports import Share
from aiapp.feedback.routes import blueprint
from aiapp.feedback.votes import Wanted
from aiapp.workspaces.access import Access, require

PERIODS = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "365": "Last year", "all": "All time"}
USUAL = "30"
TABS = {
    "template": "By prompt template",
    "version": "By version",
    "model": "By model",
    "provider": "By provider",
    "user": "By member",
}
FIELDS = ("period", "from", "to", "template", "version", "model", "provider", "rating", "user")
COMMENTS = 20
REASONS_SHOWN = 10


@blueprint.get("/w/<workspace>/feedback")
@require()
def index(access: Access) -> str:
    """Counts, shares and a trend of the votes, what they are about, why, and the newest comments.

    A rating limits the comments alone: the share of good votes among the good ones says nothing.
    """
    given, asked = _asked(request.args)
    wanted = replace(asked, rating=None)
    group = request.args.get("group_by", "template")
    group = group if group in TABS else "template"
    days = reports.by_day(access, wanted)
    shares = reports.by(access, wanted, group)
    options = list_options.offered(access)
    return render_template(
        "feedback/index.html",
        given=given,
        group=group,
        tabs=[(key, text) for key, text in TABS.items() if key != reports.OF_MEMBERS or access.allows("admin")],
        total=reports.summed(days),
        chart=_chart(days, wanted) if days else None,
        shares=shares,
        most=reports.MOST,
        compared=_compared(shares) if group == "version" and given.get("template") else None,
        reasons=reports.reasons(access, wanted)[:REASONS_SHOWN],
        page=_comments(access, asked),
        about=_about(given, wanted),
        options=options,
        periods=[("" if key == USUAL else key, text) for key, text in PERIODS.items()],
        ever=bool(days) or bool(given) or reports.total(access, Wanted()).total > 0,
    )


@blueprint.get("/w/<workspace>/feedback/_comments")
@require()
def more_comments(access: Access) -> Response:
    """The next comments."""
    given, wanted = _asked(request.args)
    return htmx.fragment("feedback/_more_comments.html", given=given, page=_comments(access, wanted))


@blueprint.get("/w/<workspace>/feedback/feedback.csv")
@require()
def export(access: Access) -> StreamedResponse:
    """The votes as CSV, newest first: the newest exporting.MOST."""
    _, wanted = _asked(request.args)
    attached = {"Content-Disposition": "attachment; filename=feedback.csv"}
    lines = stream_with_context(exporting.stream(access, wanted))
    return StreamedResponse(lines, mimetype=exporting.KIND, headers=attached)


def _asked(fields: Mapping[str, str]) -> tuple[dict[str, str], Wanted]:
    """Return the fields of the address that limit, and what they say; those that cannot be read limit nothing."""
    given = {name: fields[name][:200] for name in FIELDS if fields.get(name)}
    filters = list_query.read({name: value for name, value in given.items() if name != "period"}).filters
    since, period = filters.since, given.get("period", USUAL)
    if since is None and filters.until is None and period != "all":
        since = now() - timedelta(days=int(period if period in PERIODS else USUAL))
    rating = given.get("rating") if given.get("rating") in RATINGS else None
    wanted = Wanted(
        template=filters.template,
        version=filters.version,
        model=filters.model,
        provider=filters.provider,
        user=filters.user,
        rating=rating,
        since=since,
        until=filters.until,
    )
    return given, wanted


def _about(given: Mapping[str, str], wanted: Wanted) -> dict[str, str] | None:
    """Return the filters of the list of executions that finds what the votes are about; None where it has no such filters."""
    if wanted.user:  # there it is who asked, not who voted
        return None
    kept = {name: given[name] for name in ("template", "version", "model", "provider", "from", "to") if given.get(name)}
    if wanted.since is None or "from" in kept:
        return kept
    period = given.get("period", USUAL)
    return kept | ({"period": period} if period in list_query.PERIODS else {"from": str(wanted.since.date())})


def _chart(days: list[Share], wanted: Wanted) -> trend.Chart:
    counted = {date.fromisoformat(one.key or ""): (one.up, one.down) for one in days}
    first = wanted.since.date() if wanted.since else min(counted)
    last = min(wanted.until.date(), now().date()) if wanted.until else now().date()
    return trend.draw(counted, min(first, min(counted)), max(last, max(counted)))


def _compared(shares: list[Share]) -> dict[str, Any] | None:
    """Return two versions and what can be said of them: those that were asked for, else the two newest with votes."""
    of = {share.number: share for share in shares if share.number is not None}
    newest = sorted(of, reverse=True)
    if len(newest) < 2:
        return None
    first, second = (request.args.get(name, type=int) for name in ("first", "second"))
    one = of[first if first in of else newest[1]]
    other = of[second if second in of else newest[0]]
    low, high = wilson.difference(other.up, other.total, one.up, one.total)
    return {"numbers": newest, "one": one, "other": other, "low": low, "high": high}


def _comments(access: Access, wanted: Wanted) -> votes.Page:
    cursor = request.args.get("cursor")
    if cursor and not cursor.isalnum():
        raise InvalidInput(errors=[{"field": "cursor", "message": "This is not a cursor of this list."}])
    return votes.listed(access, votes.commented(wanted), cursor=cursor, limit=COMMENTS)
