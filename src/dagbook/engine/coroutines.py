"""Coroutines where there is no event loop to await them in: they get one of their own."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def finish_coroutine(coroutine: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop | None = None) -> Any:
    """The value of ``coroutine``: awaited in ``loop``, which runs on another thread, or in a loop of its own."""
    import asyncio

    if loop is not None and loop is not _running():
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    if _running() is None:
        return asyncio.run(coroutine)
    return _elsewhere(coroutine)


def _running() -> asyncio.AbstractEventLoop | None:
    """The loop that runs on this thread."""
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _elsewhere(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """This thread's loop is busy running us, so the coroutine gets a thread with a loop of its own."""
    import asyncio
    import contextvars
    import threading

    found: list[Any] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            found.append(asyncio.run(coroutine))
        except BaseException as error:  # user code may raise anything; it is raised where it is waited for
            raised.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="dagbook loop", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return found[0]
