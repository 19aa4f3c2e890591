"""The scheduler process: moves delayed deliveries, has lost rows found, credentials checked and old rows forgotten.

Many may run, one leads.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, worker_registration
from rq.registry import clean_registries

from aiapp import config, create_app, queue
from aiapp.config import Settings
from aiapp.extensions import connect_redis
from aiapp.observability.logs import log
from aiapp.queue import LEAD_KEY

LEAD_SECONDS = 12.0  # how long a dead leader still counts as one
HOLD_SECONDS = 3.0  # how often everybody asks to lead
TICK_SECONDS = 0.5
TIDY_SECONDS = 60.0
STRAY_SECONDS = 30.0
FORGET_SECONDS = 3600.0

HOLD = """
-- ARGV: token, milliseconds. 2: became the leader, 1: still is, 0: another one leads
local leader = redis.call('GET', KEYS[1])
if not leader then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 2
end
if leader ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit code. Raises ConfigError."""
    scheduler = make(config.load())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, scheduler.stop)
    scheduler.serve()
    return 0


def make(settings: Settings) -> Scheduler:
    """Return a scheduler with everything that this product has done again and again."""
    from aiapp.api import idempotency
    from aiapp.batches.sweeper import forget_old_drafts, sweep_batches
    from aiapp.credentials import checks, schedule
    from aiapp.executions.running import raw_answers
    from aiapp.executions.sweeper import sweep
    from aiapp.retention import erasing, resealing
    from aiapp.webhooks.sweeper import forget_old_deliveries, sweep_webhooks

    duties = (
        Duty(sweep, settings.sweep_seconds),
        Duty(schedule.ask_due, schedule.EVERY_SECONDS),
        Duty(schedule.ask_lost_tests, schedule.EVERY_SECONDS),
        Duty(idempotency.forget_old, FORGET_SECONDS),
        Duty(checks.forget_old, FORGET_SECONDS),
        Duty(raw_answers.forget_old, FORGET_SECONDS),
        Duty(sweep_batches, settings.sweep_seconds),
        Duty(forget_old_drafts, FORGET_SECONDS),
        Duty(sweep_webhooks, settings.sweep_seconds),
        Duty(forget_old_deliveries, FORGET_SECONDS),
        Duty(erasing.sweep, erasing.SWEEP_SECONDS),
        Duty(resealing.step, resealing.STEP_SECONDS),
    )
    return Scheduler(create_app(settings), connect_redis(settings), duties)


@dataclass(slots=True)
class Duty:
    """What the leader does every `seconds`: `perform` is called in an app context, from `due` (monotonic) on."""

    perform: Callable[[], int]
    seconds: float
    due: float = 0.0


class Scheduler:
    """One scheduler. While Redis is away nobody leads and all do the duties.

    Arguments:
        duties: each may be done by several schedulers at once; all of them are due as soon as one leads.
    """

    def __init__(self, app: Flask, connection: Redis, duties: Sequence[Duty]) -> None:
        self._app = app
        self._connection = connection
        self._duties = duties
        self._token = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        self._hold = connection.register_script(HOLD)
        self._release = connection.register_script(RELEASE)
        self._stopping = False
        self._on_duty = False
        self._hold_at = self._tidy_at = 0.0
        self._strays: dict[bytes, float] = {}
        self.leads = False

    def serve(self) -> None:
        """Work until stop()."""
        while not self._stopping:
            self.tick()
            time.sleep(TICK_SECONDS)
        if self.leads:
            try:
                self._release(keys=[LEAD_KEY], args=[self._token])
            except RedisError:
                log(__name__).warning("scheduler.lead_not_released")

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """End after this tick. A signal handler: it takes no lock."""
        self._stopping = True

    def tick(self) -> None:
        """Do what is due."""
        try:
            self._lead()
            if self.leads:
                queue.move_due(self._connection)
                if time.monotonic() >= self._tidy_at:
                    self._tidy_at = time.monotonic() + TIDY_SECONDS
                    self._tidy()
        except RedisError as error:
            if self.leads or not self._on_duty:
                log(__name__).warning("scheduler.redis_lost", error=str(error))
            self.leads, self._on_duty = False, True
        for duty in self._duties if self._on_duty else ():
            if time.monotonic() >= duty.due:
                duty.due = time.monotonic() + duty.seconds
                self._do(duty)

    def _lead(self) -> None:
        if time.monotonic() < self._hold_at:
            return
        answer = self._hold(keys=[LEAD_KEY], args=[self._token, round(LEAD_SECONDS * 1000)])
        self._hold_at = time.monotonic() + HOLD_SECONDS
        if answer == 2:
            log(__name__).info("scheduler.leads")
            for duty in self._duties:
                duty.due = 0.0  # the last leader may have died, or Redis forgotten everything
        self.leads = self._on_duty = bool(answer)

    def _do(self, duty: Duty) -> None:
        try:
            with self._app.app_context():
                duty.perform()
        except Exception as error:  # the database is away, or the disk is full: the next time may do better
            log(__name__).error("scheduler.duty_failed", duty=duty.perform.__name__, exc_info=error)

    def _tidy(self) -> None:
        strays: dict[bytes, float] = {}
        for rq_queue in queue.queues(self._connection):
            queue.drop_plain(rq_queue)
            clean_registries(rq_queue)
            worker_registration.clean_worker_registry(rq_queue)
            strays |= self._bring_back(rq_queue)
        self._strays = strays

    def _bring_back(self, rq_queue: Queue) -> dict[bytes, float]:
        """Put what a worker took and never started back on its queue; return what may be such a stray next time."""
        found: dict[bytes, float] = {}
        taken: Any = self._connection.lrange(rq_queue.intermediate_queue_key, 0, -1)
        for job_id in taken:
            found[job_id] = self._strays.get(job_id, time.monotonic())
            if time.monotonic() - found[job_id] < STRAY_SECONDS:
                continue
            queue.put_back(self._connection, rq_queue, job_id)
            log(__name__).warning("scheduler.stray", job=job_id.decode())
        return found
