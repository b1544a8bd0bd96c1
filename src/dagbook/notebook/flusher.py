"""The thread that sends what is new while a run goes on."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


class Flusher:
    """The thread of one run: calls ``tick`` when there is news, not more often than it asks for."""

    def __init__(self, tick: Callable[[], float | None]) -> None:
        self.news = threading.Event()
        self._tick = tick
        self._over = threading.Event()
        # a copied context: messages of a thread without one have no cell to belong to
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._loop,), name="dagbook view", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No further tick; does not wait for one that is under way."""
        self._over.set()
        self.news.set()

    def _loop(self) -> None:
        while True:
            self.news.wait()
            self.news.clear()
            if self._over.is_set():
                return
            pause = self._tick()
            if pause is None or self._over.wait(pause):
                return
