"""A whole `aiapp up` and a provider that goes wrong: first in calm, then under blows, then stopped under load."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from blows import Storm
from chaos import HOUR, SETTINGS, completed_by, connections, worker_off_by
from faults import FAULTS, FaultyProvider, refuses, well
from office import Crowd, Office, audit, database_of
from stage import Up, eventually

pytestmark = [pytest.mark.processes, pytest.mark.long, pytest.mark.timeout(300)]

EXECUTIONS = 120


@pytest.fixture(scope="module")
def provider():
    running = FaultyProvider(share=0.3, seconds=0.3)
    yield running
    running.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory, provider):
    home = tmp_path_factory.mktemp("chaos") / "home"
    settings = {**SETTINGS, "AIAPP_OUTBOUND_ALLOW": provider.origin}
    running = Up(home, 0, "--workers", "2", "--concurrency", "16", **settings)
    running.wait_ready()
    yield running
    running.end()


@pytest.fixture
def late(up, provider):
    """The log of a worker beside the others that believes it is an hour ago."""
    environ = {**SETTINGS, "AIAPP_OUTBOUND_ALLOW": provider.origin, "DATABASE_URL": database_of(up.home, None)}
    with worker_off_by(-HOUR, up, environ) as log:
        yield log


@pytest.fixture(scope="module")
def office(up, provider):
    environ = {"AIAPP_HOME": str(up.home), "DATABASE_URL": database_of(up.home, None)}
    people = Office(environ, provider, ["calm", "chain", "acme", "rival", "slow"])
    yield people
    people.close()


def gaps(calls):
    """Seconds between one call and the next."""
    return [later.at - earlier.at for earlier, later in pairwise(calls)]


def test_in_calm_every_failure_costs_as_many_requests_as_it_may(up, office, provider):
    scripts = {
        "one-500": [refuses(500), well()],
        "two-delays": [refuses(429, None, "retry-after: 2"), refuses(429, None, "retry-after: 2"), well()],
        "always-500": [refuses(500)],
    }
    pinned = {}
    for name, answers in scripts.items():
        provider.on(f"calm/{name}", *answers)
        pinned[name] = office.credential("calm", f"calm/{name}")
    # its own workspace has a chain, whose first two are refused
    for name, answer in (("auth", refuses(401)), ("quota", refuses(429, "insufficient_quota")), ("last", well())):
        provider.on(f"chain/{name}", answer)
        office.credential("chain", f"chain/{name}")
    ids = {name: office.submit(up.port, "calm", credential_id=each) for name, each in pinned.items()}
    ids["chain"] = office.submit(up.port, "chain")
    assert eventually(office.ended, 60), (office.statuses(), up.output())
    calls = {name: provider.by_prompt()[office.accepted[each]] for name, each in ids.items()}
    ends = {name: office.end_of(each) for name, each in ids.items()}
    assert ends == {
        "one-500": ("completed", None),
        "two-delays": ("completed", None),
        "always-500": ("failed", "server"),
        "chain": ("completed", None),
    }
    assert {name: len(found) for name, found in calls.items()} == {
        "one-500": 2,
        "two-delays": 3,
        "always-500": 6,
        "chain": 3,
    }
    assert [call.key for call in calls["chain"]] == ["chain/auth", "chain/quota", "chain/last"]
    assert min(gaps(calls["two-delays"])) >= 2.0  # no earlier than the provider asked for
    audit(office)


def test_through_a_storm_nothing_is_lost_and_nothing_ends_twice(up, office, late):
    for slug in ("acme", "rival"):
        for name in "ab":
            office.credential(slug, f"{slug}/{name}")
    storm = Storm(up, office, pause=0.7, away=1.0)
    crowd = Crowd(office, up.port, EXECUTIONS, rate=12.0, slugs=("acme", "rival"))
    # in this order: the flush and the killed Redis let another scheduler lead at once
    for blow in (
        storm.kill_a_worker,
        storm.leave_in_mid_stream,
        storm.freeze_redis,
        storm.kill_a_worker,
        storm.deliver_as_earlier_releases,
        storm.fill_disk,
        storm.deliver_twice,
        storm.hold_database,
        storm.kill_scheduler,
        storm.kill_redis,
        storm.kill_web,
        storm.fill_redis,
        storm.flush_redis,
    ):
        storm.strike(blow)
        time.sleep(storm.pause)
    crowd.join()
    assert eventually(office.ended, 120), (office.statuses(), up.output())
    told = audit(office)
    assert eventually(lambda: not connections(up.port)), "who left in mid-stream still has a connection"
    print(dict(storm.struck), told, completed_by(late))
    assert told["executions"] >= EXECUTIONS
    assert len(told["faults met"]) > len(FAULTS) / 2


def test_a_stop_under_load_hands_everything_back_and_exits_well(up, office, provider):
    provider.on("slow/first", well(30))
    office.credential("slow", "slow/first")
    ids = [office.submit(up.port, "slow") for _ in range(5)]
    assert eventually(lambda: office.statuses()["processing"] == len(ids)), up.output()
    assert up.stop() == 0
    assert {office.end_of(each) for each in ids} == {("pending", None)}
    assert not office.statuses()["processing"]
