"""How times, sums and names are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from wtforms import BooleanField, Form, PasswordField, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import InputRequired

from aiapp import filters

NOW = datetime(2026, 3, 18, 14, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=12), "12 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=44), "44 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=13), "13 d ago"),
        (timedelta(days=14), "2 w ago"),
        (timedelta(days=63), "9 w ago"),
        (timedelta(days=800), "2 y ago"),
        (-timedelta(seconds=30), "in 30 s"),
        (-timedelta(days=90), "in 90 d"),
        (-timedelta(days=6, hours=23, minutes=59), "in 7 d"),
        (-timedelta(days=365), "in 1 y"),
    ],
)
def test_a_time_is_told_by_its_distance(past, text):
    assert filters.relative(NOW - past, now=NOW) == text


def test_a_time_without_a_zone_is_utc():
    assert filters.relative(datetime(2026, 3, 18, 14, 0), now=NOW) == "4 min ago"  # noqa: DTZ001 - what is tested
    assert filters.absolute(datetime(2026, 3, 8, 4, 3)) == "8 Mar 2026, 04:03 UTC"  # noqa: DTZ001


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("0.0078"), "$0.0078"),
        (Decimal("0"), "$0.0000"),
        (Decimal("0.00004"), "< $0.0001"),
        (Decimal("0.00005"), "$0.0001"),
        (Decimal("0.99999"), "$1.00"),
        (Decimal("14.0555"), "$14.06"),
        (Decimal("1234567.5"), "$1,234,567.50"),
        (Decimal("-0.5"), "-$0.5000"),
        (Decimal("-2"), "-$2.00"),
        ("0.0213", "$0.0213"),
    ],
)
def test_a_sum_has_four_decimals_below_a_dollar_and_two_above(amount, text):
    assert filters.money(amount) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0 ms"),
        (84.4, "84 ms"),
        (999.7, "1.0 s"),
        (3100, "3.1 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 0 s"),
        (124_000, "2 min 4 s"),
        (3_900_000, "1 h 5 min"),
    ],
)
def test_a_span_is_told_in_the_unit_that_fits(milliseconds, text):
    assert filters.duration(milliseconds) == text


@pytest.mark.parametrize("write", [filters.money, filters.number, filters.duration, filters.tokens])
def test_an_unknown_number_is_never_zero_and_is_read_out(write):
    assert "—" in write(None)
    assert "unknown" in write(None)
    assert "0" not in write(None)


def test_amounts_come_with_their_noun():
    assert filters.count(1, "member") == "1 member"
    assert filters.count(1284, "execution") == "1,284 executions"
    assert filters.count(0, "entry", "entries") == "0 entries"
    assert filters.tokens(31) == "31 tokens"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Devi Raman", "DR"),
        ("OpenAI", "OA"),
        ("OpenAI-compatible", "OC"),
        ("Anthropic", "AN"),
        ("xAI", "XA"),
        ("ada@example.com", "AD"),
        ("七海", "七海"),
        ("", "?"),
        ("!!", "?"),
        ("q", "Q"),
    ],
)
def test_a_monogram_is_two_letters_at_the_most(name, letters):
    assert filters.monogram(name) == letters


class SampleForm(Form):
    name = StringField("Name", [InputRequired("Type a name.")], description="As others see it.")
    secret = PasswordField("Secret")
    model = SelectField("Model", choices=[SelectChoice("a", "A"), SelectChoice("b", "B")])
    stream = BooleanField("Stream")


def test_a_field_of_a_form_tells_what_is_drawn():
    form = SampleForm(data={"name": "Ada", "model": "b", "stream": True})
    name = filters.field_of(form.name)
    assert (name.name, name.label, name.value, name.hint, name.required, name.kind) == (
        "name",
        "Name",
        "Ada",
        "As others see it.",
        True,
        "text",
    )
    assert filters.field_of(form.model).value == "b"
    assert list(filters.field_of(form.model).choices) == [("a", "A"), ("b", "B")]
    assert filters.field_of(form.stream).value is True


def test_what_a_call_gives_wins_over_the_field():
    form = SampleForm(data={"name": "Ada"})
    name = filters.field_of(form.name, label="Full name", value="Grace", required=False, id="n1")
    assert (name.label, name.value, name.required, name.id) == ("Full name", "Grace", False, "n1")


def test_a_secret_is_never_sent_back():
    assert filters.field_of(SampleForm(data={"secret": "hunter2"}).secret).value == ""


def test_the_first_error_of_a_field_is_told():
    form = SampleForm(data={})
    form.validate()
    assert filters.field_of(form.name).error == "Type a name."
