"""A statement that takes too long is given up, and the connection is as before."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from aiapp.extensions import bounded, db, reading

ENDLESS = sa.text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0")
FIRST = sa.text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n"
)


def test_a_statement_that_never_ends_is_given_up_and_the_next_one_has_all_the_time(app):
    with app.app_context(), reading():
        with pytest.raises(TimeoutError), bounded(0.1):
            db.session.execute(ENDLESS)
        with bounded(60):
            assert db.session.scalar(sa.text("SELECT 1")) == 1
        assert db.session.scalar(FIRST) == 200_000
        db.session.rollback()


def test_what_is_wrong_with_a_statement_is_told_as_ever(app):
    with app.app_context(), reading():
        with pytest.raises(sa.exc.DBAPIError) as wrong, bounded(60):
            db.session.execute(sa.text("SELECT * FROM nowhere"))
        assert not isinstance(wrong.value, TimeoutError)
        assert isinstance(wrong.value, OperationalError | sa.exc.ProgrammingError)
        db.session.rollback()
