"""What the README tells receivers to do works as it stands there."""

from __future__ import annotations

import re
import time
from pathlib import Path

from aiapp.webhooks import signing

README = Path(__file__).parents[2] / "README.md"


def test_the_check_of_a_signature_that_it_prints_works():
    section = README.read_text(encoding="utf-8").partition("## Hear of new versions")[2]
    names: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", section, re.DOTALL)[1], names)
    genuine, body, at = names["is_genuine"], '{"name": "Grüße"}'.encode(), int(time.time())
    old, new = signing.new_secret(), signing.new_secret()
    sent = signing.headers("a1", at, body, [new, old])
    assert genuine(sent, body, new)
    assert genuine(sent, body, old)
    assert not genuine(sent, body + b" ", new)
    assert not genuine(sent, body, signing.new_secret())
    assert not genuine({**sent, "webhook-id": "a2"}, body, new)
    assert not genuine(signing.headers("a1", at - 600, body, [new]), body, new)
