"""How long a provider asks us to wait, and when it is believed."""

import pytest

from aiapp.providers.retry_after import retry_after

DELAYED = {"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"}]}}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "86400"}, 86400.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "Wed, 99 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_headers_are_read_in_every_form(headers, seconds):
    assert retry_after(429, headers, None) == seconds


def test_a_date_without_the_answers_own_date_counts_from_now():
    headers = {"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}
    assert retry_after(503, headers, None, now=90.0) == 30.0
    assert retry_after(503, headers, None) == 0.0


@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_delay_in_the_body_counts_where_no_header_does(status):
    assert retry_after(status, {}, DELAYED) == 48.5
    assert retry_after(status, {}, [DELAYED]) == 48.5
    assert retry_after(status, {"retry-after": "2"}, DELAYED) == 2.0


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"error": "no"},
        {"error": {"details": [None, {"@type": "x.google.rpc.RetryInfo", "retryDelay": "soon"}]}},
    ],
)
def test_a_body_without_a_delay_says_nothing(body):
    assert retry_after(429, {}, body) is None


@pytest.mark.parametrize("status", [200, 400, 401, 500, 502])
def test_other_statuses_do_not_ask_to_wait(status):
    assert retry_after(status, {"retry-after": "30"}, DELAYED) is None
