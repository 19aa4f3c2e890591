"""A delivery is signed as Standard Webhooks says, and tried again on a schedule that ends."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from aiapp.webhooks import retrying, signing

# The example that the standard's libraries are tested with.
SECRET, MESSAGE_ID = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_example_is_signed_as_published():
    sent = signing.headers(MESSAGE_ID, 1614265330, b'{"test": 2432232314}', [SECRET])
    assert sent["webhook-signature"] == SIGNATURE
    assert (sent["webhook-id"], sent["webhook-timestamp"]) == (MESSAGE_ID, "1614265330")


@given(st.text(max_size=200), st.lists(st.none(), min_size=1, max_size=3))
def test_whoever_knows_one_of_the_secrets_takes_the_message_and_nobody_else(text, number):
    secrets = [signing.new_secret() for _ in number]
    at = int(datetime.now(UTC).timestamp())
    sent = signing.headers("a1", at, text.encode(), secrets)
    for secret in secrets:
        Webhook(secret).verify(text.encode(), sent, json_parse=False)
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(text.encode() + b" ", sent, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(text.encode(), sent, json_parse=False)


def test_a_secret_is_long_enough_and_never_the_same():
    made = {signing.new_secret() for _ in range(20)}
    assert len(made) == 20
    assert all(24 <= len(b64decode(one.removeprefix("whsec_"))) <= 64 for one in made)


@given(st.integers(1, 100), st.none() | st.floats(0, 1e9), st.integers())
def test_a_wait_is_never_shorter_than_planned_nor_than_asked_and_ends(attempts, asked, seed):
    wait = retrying.wait(attempts, asked, rng=Random(seed))
    if attempts >= retrying.ATTEMPTS:
        assert wait is None
        return
    planned = retrying.DELAYS[attempts - 1]
    assert wait >= planned
    assert wait >= min(asked or 0, retrying.LONGEST)
    assert wait <= max(planned * 1.2, min(asked or 0, retrying.LONGEST))
