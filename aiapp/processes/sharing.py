"""Who gets the next slot of a worker: workspaces take turns, and none of them takes all slots.

Of each priority, one delivery of each workspace is taken at a time, in the order of the ring (see queue.py). And a workspace
takes a slot only while it has fewer than ALPHA times as many as are free: the rule of Choudhury and Hahne for a buffer that many
share (Dynamic Queue Length Thresholds for Shared-Memory Packet Switches, IEEE/ACM Transactions on Networking, 1998). One that
hogs, its provider hanging, comes to 7/8 of the slots, two come to 7/15 each, and the next one finds some free. A worker with
fewer than eight slots is given whole: an idle slot in two would cost more than it saves.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis import Redis
from rq import Queue

from aiapp.queue import ring_key, wake_key

ALPHA = 7
SPARE_LOOKS = 100

TAKE = """
-- KEYS: for each queue its ring, its intermediate list, its wake-up list. ARGV: how many slots are free, ALPHA, at how many
-- workspaces to look at most, and then each workspace that has slots, with how many. Returns whether somebody was held back,
-- and the ids that were taken. One whose turn is held back keeps its place: what it has and what is free only shrink meanwhile.
local free, alpha, looks = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slots, taken, held = {}, {}, 0
for i = 4, #ARGV, 2 do slots[ARGV[i]] = tonumber(ARGV[i + 1]) end
for i = 1, #KEYS, 3 do
  local ring, place = KEYS[i], 0
  while #taken < free do
    local workspace = redis.call('ZRANGE', ring, place, place)[1]
    if not workspace then
      if place == 0 then redis.call('DEL', KEYS[i + 2]) end
      break
    end
    if looks == 0 then return {1, taken} end
    looks = looks - 1
    local has = slots[workspace] or 0
    if has >= alpha * (free - #taken) then
      held, place = 1, place + 1
    else
      local line = ring .. ':' .. workspace
      local id = redis.call('LMOVE', line, KEYS[i + 1], 'LEFT', 'RIGHT')
      if id then
        taken[#taken + 1], slots[workspace] = id, has + 1
      end
      if redis.call('EXISTS', line) == 0 then
        redis.call('ZREM', ring, workspace)
      else
        redis.call('ZADD', ring, redis.call('ZRANGE', ring, -1, -1, 'WITHSCORES')[2] + 1, workspace)
      end
    end
  end
end
return {held, taken}
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many slots are free, how many each workspace has that has any, and how often one was given back so far."""

    free: int
    of: Mapping[str, int]
    released: int


class Slots:
    """How many threads are free, and how many each workspace has."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._of: dict[str, int] = {}
        self._released = 0
        self._change = threading.Condition()

    def wait(self, seconds: float) -> int:
        """Return how many are free, waiting up to `seconds` for the first one."""
        with self._change:
            self._change.wait_for(lambda: self._free > 0, seconds)
            return self._free

    def standing(self) -> Standing:
        """Return how things stand."""
        with self._change:
            return Standing(self._free, dict(self._of), self._released)

    def wait_for_release(self, since: Standing, seconds: float) -> None:
        """Wait up to `seconds` until one was given back since then."""
        with self._change:
            self._change.wait_for(lambda: self._released != since.released, seconds)

    def take(self, workspace_id: str) -> None:
        """Occupy a free one."""
        with self._change:
            self._free -= 1
            self._of[workspace_id] = self._of.get(workspace_id, 0) + 1

    def release(self, workspace_id: str) -> None:
        """Give one back."""
        with self._change:
            self._free += 1
            self._released += 1
            self._of[workspace_id] -= 1
            if not self._of[workspace_id]:
                del self._of[workspace_id]
            self._change.notify()


class Turns:
    """Takes deliveries from the rings for a worker with `concurrency` slots."""

    def __init__(self, connection: Redis, concurrency: int) -> None:
        # Those that are held back are fewer than a seventh of the slots; each other look takes a delivery or ends an empty line.
        self._looks = 2 * concurrency + SPARE_LOOKS
        self._script = connection.register_script(TAKE)

    def take(self, queues: Sequence[Queue], standing: Standing) -> tuple[list[str], bool]:
        """Move at most as many deliveries as slots are free to the intermediate lists of `queues`, most urgent first.

        Returns their ids, and whether somebody was held back who has had their share. Raises RedisError.
        """
        keys = [key for q in queues for key in (ring_key(q.name), q.intermediate_queue_key, wake_key(q.name))]
        arguments: list[str | int] = [standing.free, ALPHA, self._looks]
        for workspace in standing.of.items():
            arguments += workspace
        held, taken = self._script(keys=keys, args=arguments)
        return [job_id.decode() for job_id in taken], bool(held)
