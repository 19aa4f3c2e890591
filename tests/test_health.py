"""Supervisors ask whether the process lives; load balancers whether the system can work."""

from dataclasses import replace

import pytest


def test_healthz_answers_without_database_and_redis(app):
    assert app.test_client().get("/healthz").json == {"status": "ok"}


def test_readyz_names_the_missing_workers(app):
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["missing"] == ["workers"]
    assert answer.json["database"] == answer.json["redis"] == "ok"


class TestWithoutRedis:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, redis_url="unix:///nowhere/redis.sock")

    def test_readyz_names_it_and_pages_still_render(self, app, sign_in):
        assert app.test_client().get("/readyz").json["missing"] == ["redis", "workers"]
        assert sign_in("bob").get("/w/acme/").status_code == 200
