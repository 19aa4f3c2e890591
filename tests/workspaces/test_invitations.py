"""What the list of invitations says of each."""

from __future__ import annotations

import re
from html import unescape

import sqlalchemy as sa

from aiapp.extensions import db
from aiapp.filters import absolute
from aiapp.workspaces.models import Invitation


def test_an_invitation_says_on_which_day_it_ends(app, sign_in):
    """Of the seven days it has, six and some hours are left a moment later: a number of days would be wrong from the start."""
    answer = sign_in("adam").submit("/w/acme/settings/invitations", {"email": "dora@example.com", "role": "viewer"})
    with app.app_context():
        ends = db.session.scalars(sa.select(Invitation.expires_at)).one()
    cell = re.search(r'data-label="Ends">(.*?)</td>', unescape(answer.get_data(as_text=True)))[1]
    assert cell == absolute(ends)
