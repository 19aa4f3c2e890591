"""What the tests of the gateway share: the scripted provider, and an app that has settings and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from aiapp import config
from aiapp.gateway.complete import transport

sys.path.insert(0, str(Path(__file__).parents[1] / "executions"))

from scripted_provider import ScriptedProvider, scripted


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with scripted() as running:
        yield running


@pytest.fixture
def bare_app(tmp_path: Path, provider: ScriptedProvider) -> Iterator[Flask]:
    """No database and no Redis: the gateway needs neither."""
    app = Flask("gateway")
    loaded = config.load({"AIAPP_HOME": str(tmp_path)})
    app.extensions["aiapp.settings"] = replace(
        loaded, outbound_allow=frozenset({provider.origin}), idle_timeout=5.0, max_response_bytes=100_000
    )
    with app.app_context():
        yield app
        transport().close()
