"""The nodes that could be started, the most urgent first, and what running nodes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush

Demand = Callable[[int], Mapping[str, float]]
"""What a node takes of the run's resources while it runs, by name."""

NO_DEMAND: Mapping[str, float] = {}


class Ready:
    """Ready nodes by the place where they run, smallest rank first. Entries may be out of date: the taker decides.

    A node whose resources are taken waits aside until some are given back. ``free`` is what nobody has.
    """

    def __init__(self, demand: Demand | None, capacities: Mapping[str, float]) -> None:
        self.free = dict(capacities)
        self._demand = demand
        self._heaps: tuple[list[tuple[float, int]], ...] = ([], [], [])
        self._parked: list[tuple[int, tuple[float, int]]] = []

    @property
    def shared(self) -> bool:
        """Whether there are resources that nodes share."""
        return self._demand is not None

    def push(self, i: int, place: int, rank: float) -> None:
        """Node ``i`` is ready."""
        heappush(self._heaps[place], (rank, i))

    def waiting(self, place: int) -> bool:
        """Whether there may be a node to be started there."""
        return bool(self._heaps[place])

    def count(self, place: int) -> int:
        """How many nodes could be started there, or more."""
        return len(self._heaps[place])

    def take(self, place: int, startable: Callable[[int], bool]) -> int | None:
        """The most urgent node, which has what it demands from here on."""
        heap = self._heaps[place]
        while heap:
            entry = heappop(heap)
            i = entry[1]
            if not startable(i):
                continue
            if self.reserve(i):
                return i
            self._parked.append((place, entry))
        return None

    def claim(
        self, place: int, most: int, startable: Callable[[int], bool], stop: Callable[[int], bool] | None
    ) -> list[int]:
        """Up to ``most`` of the most urgent nodes, none behind one to ``stop`` at. Not where resources are shared."""
        heap = self._heaps[place]
        claimed: dict[int, None] = {}
        while heap and len(claimed) < most:
            i = heap[0][1]
            if startable(i):
                if stop is not None and stop(i):
                    break
                claimed[i] = None
            heappop(heap)
        return list(claimed)

    def reserve(self, i: int) -> bool:
        """Take what node ``i`` demands; False, and nothing is taken, when there is not enough."""
        if self._demand is None:
            return True
        wanted, free = self._demand(i), self.free
        if any(free.get(name, 0.0) < amount for name, amount in wanted.items()):
            return False
        for name, amount in wanted.items():
            free[name] -= amount
        return True

    def give_back(self, i: int) -> None:
        """What node ``i`` took is free again, and those that waited aside may try again."""
        if self._demand is None:
            return
        for name, amount in self._demand(i).items():
            self.free[name] += amount
        parked, self._parked = self._parked, []
        for place, entry in parked:
            heappush(self._heaps[place], entry)
