"""Calls on a few daemon threads, which never keep a process alive and can be left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class ThreadsBackend:
    """``slots`` worker threads, started when first needed. Raises ValueError for fewer than one."""

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"a run needs at least one worker, not {slots}")
        self.slots = slots
        self._lock = threading.Lock()
        self._stuck = 0
        self._free = 0  # threads that wait, less the calls that wait for one
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, call: Callable[[], None]) -> None:
        """Run ``call`` on the next free thread."""
        with self._lock:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self.slots + self._stuck:
                self._free += 1
                name = f"dagbook worker {len(self._threads) + 1}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(call)

    def replace(self) -> None:
        """Have another thread for one whose call nobody waits for any more."""
        with self._lock:
            self._stuck += 1

    @property
    def stuck(self) -> int:
        """How many calls were given up."""
        return self._stuck

    def close(self) -> None:
        """Let idle threads end; busy ones end after their call."""
        for _ in self._threads:
            self._queue.put(None)

    def abandon(self) -> None:
        """Ask busy threads to stop at their next Python instruction, and let them all go.

        A thread inside a long call in C notices only when that call returns.
        """
        import ctypes  # seldom needed

        self.close()
        for thread in self._threads:
            if thread.is_alive() and thread.ident is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
                )

    def _work(self) -> None:
        try:
            while (call := self._queue.get()) is not None:
                call()
                with self._lock:
                    self._free += 1
        except KeyboardInterrupt:  # abandoned: nobody waits for this thread any more
            return
