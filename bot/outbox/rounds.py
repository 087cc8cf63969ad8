"""Under load settles wait for a common round (`handlers.batching`): which of those that are wanted are put off, and until when.

Only an order that nobody has tried yet is put off, once, and it goes at once when blocks come faster than expected. How many
were wanted lately is remembered by this process alone: after a restart the load is measured anew.
"""

from __future__ import annotations

from collections import deque

from sqlalchemy import Connection

from bot.world import World
from handlers.decision import SettleHold
from storage import commit, outbox
from storage.outbox import Order

_PUT_OFF = 1  # what is written as the tries of an order that waits for its round


class Rounds:
    def __init__(self, world: World) -> None:
        self._world = world
        self._wanted: deque[int] = deque()  # when the latest settles were, unix seconds
        self._height = 0  # at which those that wait were last looked at

    def hurry(self, tx: Connection) -> None:
        """With each new block: those that wait and may not wait any longer are due now."""
        height, now, busy = self._world.moments.height, self._world.moments.time, self._world.batching.busy
        if not self._world.batching.seconds or height == self._height:
            return
        self._height = height
        for order in outbox.open_orders(tx, ("settle",)):
            waits = (order.tries, order.started_at) == (_PUT_OFF, 0) and order.next_at > now
            if waits and self._round(tx, order, now, busy) == now:
                outbox.order_later(tx, order.n, _PUT_OFF, now)

    def put_off(self, tx: Connection, orders: list[Order]) -> list[Order]:
        """Of the orders that are due those which go now; the others are due at their round."""
        if not self._world.batching.seconds:
            return orders
        now, going = self._world.moments.time, list[Order]()
        for order in orders:
            fresh = isinstance(order.effect, SettleHold) and not (order.tries or order.started_at)
            at = self._round(tx, order, now, self._count(now)) if fresh else now
            if at > now:
                outbox.order_later(tx, order.n, _PUT_OFF, at)
            else:
                going.append(order)
        return going

    def _count(self, now: int) -> int:
        """One more is wanted: how many within the length of a round."""
        self._wanted.append(now)
        while self._wanted[0] <= now - self._world.batching.seconds:
            self._wanted.popleft()
        return len(self._wanted)

    def _round(self, tx: Connection, order: Order, now: int, recent: int) -> int:
        held = commit.load(tx, order.task)
        funding = held.task.funding(order.effect.ref) if held else None
        if held is None or funding is None:
            return now
        last = held.task.settle_height or funding.expiry_height - held.task.terms.margin
        left = last - self._world.moments.height
        return self._world.batching.round_for(now, recent, left)
