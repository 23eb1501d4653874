"""A number of things that connections share, each in its turn: who has least comes first."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

MAX_WAITING: Final = 256
"""From so many on, who comes is sent away: a call whose request is not read yet takes up to 256 KiB."""


@dataclass(eq=False)
class _Waiting:
    owner: str
    amount: int
    ready: "asyncio.Future[None]"


class TooManyWaitError(Exception):
    """So many wait already that one more would cost too much."""


class Turns:
    """Amounts that owners take and give back, within a loop."""

    def __init__(self, total: int, *, most_each: int | None = None) -> None:
        """`most_each` is the most that one owner may have, so that it leaves some to others; all where None."""
        self.total = total
        """How much there is."""
        self._most_each = most_each or total
        self._free = total
        self._held: Counter[str] = Counter()  # of those that have something
        self._waiting: list[_Waiting] = []

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    def take_now(self, owner: str, amount: int) -> bool:
        """Take an amount if nobody waits and there is enough; returns whether that is so."""
        amount = min(amount, self._most_each)
        if self._waiting or amount > self._free or self._held[owner] + amount > self._most_each:
            return False
        self._grant(owner, amount)
        return True

    async def take(self, owner: str, amount: int) -> None:
        """Take an amount once the owner has its turn. All that one may have will do for more than that.

        Raises TooManyWaitError.
        """
        amount = min(amount, self._most_each)
        if len(self._waiting) >= MAX_WAITING:
            raise TooManyWaitError
        waiting = _Waiting(owner, amount, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._go_on()
        try:
            await waiting.ready
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._go_on()  # it may have been what others waited behind
            else:
                self.give_back(owner, amount)
            raise

    def give_back(self, owner: str, amount: int) -> None:
        """Give back what was taken."""
        amount = min(amount, self._most_each)
        self._free += amount
        self._held[owner] -= amount
        if not self._held[owner]:
            del self._held[owner]  # there would be one for each connection there ever was
        if self._waiting:
            self._go_on()

    def _grant(self, owner: str, amount: int) -> None:
        self._free -= amount
        self._held[owner] += amount

    def _go_on(self) -> None:
        """Let those have their turn for whom there is enough: of them always the owner with least, then the first."""
        while able := [one for one in self._waiting if self._held[one.owner] + one.amount <= self._most_each]:
            chosen = min(able, key=lambda one: self._held[one.owner])
            if chosen.amount > self._free:
                return  # what is large would wait for ever if what is small were let past it
            self._waiting.remove(chosen)
            self._grant(chosen.owner, chosen.amount)
            chosen.ready.set_result(None)
