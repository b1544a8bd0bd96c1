"""Calls in worker processes: real parallelism, and a crash, an exit or a kill ends one call only.

A few workers are kept for the next calls. A worker is a fresh interpreter that runs :mod:`dagbook.worker`; it has the
pipes to us and a process group of its own, so that Ctrl-C in a terminal is ours alone to act on, and what a call has
started can be ended with it.
"""

from __future__ import annotations

import atexit
import builtins
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dagbook.backends.channel import CALL, RAISED, STALE, TEXT, UNSENDABLE, VALUE, WARNING, Buffers, Channel
from dagbook.backends.exceptions import unpack
from dagbook.backends.imported import reached
from dagbook.engine.plan import PYPLOT
from dagbook.engine.ports import Brought, Errand, Started
from dagbook.errors import NodeDied, UnreturnableError, UnstorableError, UsageError
from dagbook.fingerprint.code import reach
from dagbook.graph.node import parameters_of

SPARE = 8
"""How many workers without a call are kept."""

PATIENCE = 0.5
"""Seconds that a process has to end after it was asked to; then it is killed."""

OUT = "take process=True out."

GLANCE = 0.2
"""Seconds between two looks whether a silent worker still lives."""

Out = list[pickle.PickleBuffer]
Dump = Callable[[object, Callable[[pickle.PickleBuffer], bool], str], bytes]

_HINTS = {
    int(signal.SIGKILL): ", as the system does when memory runs out. Give it less to do at once",
    int(signal.SIGTERM): ", which asks a process to end",
}
_CRASHES = tuple(map(int, (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)))
_HINTS |= dict.fromkeys(_CRASHES, ", a crash in compiled code. Look at the last library that it called")


class Ending:
    """How a call can be ended from outside, on any thread: before it has a worker, while it has one, after that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._asked = 0.0

    def __call__(self) -> None:
        """End the call."""
        with self._lock:
            self._asked = self._asked or time.monotonic()
            if self._worker is not None:
                self._worker.signal(signal.SIGTERM)

    @contextmanager
    def of(self, worker: Worker) -> Iterator[None]:
        """Within the block it is ``worker`` that has the call."""
        with self._lock:
            if self._asked:
                raise EOFError
            self._worker = worker
        try:
            yield
        finally:
            with self._lock:
                self._worker = None

    @property
    def asked(self) -> bool:
        """Whether the call is to end."""
        return self._asked > 0

    @property
    def overdue(self) -> bool:
        """Whether the call is to end, and had time enough."""
        return self.asked and time.monotonic() > self._asked + PATIENCE


class Worker:
    """One process. Serves one call at a time."""

    def __init__(self) -> None:
        path = [os.path.abspath(each) if each else "" for each in sys.path if isinstance(each, str)]
        program = f"import sys; sys.path[:] = {path!r}; from dagbook.worker import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipes = self._process.stdin, self._process.stdout
        self._ending: Ending | None = None
        self._poll = select.poll()
        self._poll.register(self._process.stdout, select.POLLIN)
        self.channel = Channel(self._process.stdout.fileno(), self._process.stdin.fileno(), self._wait)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, request: tuple[Any, ...], buffers: Out, ending: Ending) -> tuple[tuple[Any, ...], Buffers]:
        """How the call ended. Raises EOFError when the process did."""
        with ending.of(self):
            self._ending = ending
            self.channel.send(request, buffers)
            while True:
                answer, received = self.channel.receive()
                if answer[0] == TEXT:
                    getattr(sys, answer[1]).write(answer[2])
                elif answer[0] == WARNING:
                    _warn(*answer[1:])
                else:
                    return answer, received

    def _wait(self) -> None:
        """Wait for something to read. The end of the pipe is not enough: a child of the process may hold it open."""
        while not self._poll.poll(GLANCE * 1000):
            if self._ending is not None and self._ending.overdue:
                self.signal(signal.SIGKILL)
            if not self.alive and not self._poll.poll(0):
                raise EOFError

    def signal(self, number: int) -> None:
        """Send a signal to the process and those that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def end(self) -> int:
        """End the process, when it does not by itself at once, and all that it has started; how it ended."""
        self.abandon()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
        code = self._process.wait()
        self.signal(signal.SIGKILL)
        return code

    def abandon(self) -> None:
        """Close the pipes: the process ends when it notices."""
        for pipe in self._pipes:
            with suppress(OSError):
                pipe.close()


_spare: list[Worker] = []
_all: set[Worker] = set()
_lock = threading.Lock()


def call(errand: Errand, started: Started, dump: Dump) -> Brought:
    """Make a call in a worker; see :class:`dagbook.engine.ports.Remote`. ``dump`` pickles."""
    ending = Ending()
    started(ending)
    try:
        _refuse_pyplot(errand)
        buffers: Out = []
        request = _request(errand, buffers, dump)
        answer, received = _first_fitting(errand, request, buffers, ending)
    finally:
        started(None)
    return _unwrapped(errand, answer, received)


def _unwrapped(errand: Errand, answer: tuple[Any, ...], buffers: Buffers) -> Brought:
    kind = answer[0]
    if kind == RAISED:
        raise unpack(answer[1])
    if kind == UNSENDABLE:
        raise UnreturnableError(
            f"the result of {errand.node} cannot be sent back from its process: {answer[1]}. Return something that "
            f"can be pickled, or {OUT}"
        )
    assert kind == VALUE
    try:
        return Brought(pickle.loads(answer[1], buffers=buffers), answer[2])
    except Exception as error:  # the code of the value's own class ran
        raise UnreturnableError(
            f"the result of {errand.node} came back from its process, and cannot be loaded here "
            f"({type(error).__name__}: {error}). Return something that can be pickled, or {OUT}"
        ) from error


def _first_fitting(
    errand: Errand, request: tuple[Any, ...], buffers: Out, ending: Ending
) -> tuple[tuple[Any, ...], Buffers]:
    """The answer of a worker that has the same code as we: a spare one, else one that has just been started."""
    for fresh in (False, True):
        worker = _take(fresh)
        try:
            answer, received = worker.call(request, buffers, ending)
        except EOFError:
            raise NodeDied(_death(errand.node, _end(worker))) from None
        except BaseException:  # an interrupt: nobody waits for this call any more
            worker.signal(signal.SIGKILL)
            _end(worker)
            raise
        if answer[0] != STALE:
            _end(worker) if ending.asked else _give_back(worker)
            return answer, received
        _end(worker)
    names = ", ".join(answer[1][:5])
    raise UsageError(
        f"{errand.node} cannot run in a process of its own: {names} is not here what it is in a fresh process. Load "
        f"the module again (importlib.reload), hand over what was set in it as an input, or {OUT}"
    )


def _take(fresh: bool) -> Worker:
    with _lock:
        while _spare and not fresh:
            worker = _spare.pop()
            if worker.alive:
                return worker
            _all.discard(worker)
    worker = Worker()
    with _lock:
        _all.add(worker)
    return worker


def _give_back(worker: Worker) -> None:
    with _lock:
        if len(_spare) < SPARE:
            _spare.append(worker)
            return
    _end(worker)


def _end(worker: Worker) -> int:
    with _lock:
        _all.discard(worker)
    return worker.end()


@atexit.register
def _end_all() -> None:
    with _lock:
        spare, _spare[:] = _spare[:], []
    for worker in spare:
        worker.abandon()
    for worker in spare:
        worker.end()


def _in_fork() -> None:
    """A fork of this process has no workers, and must not keep the pipes of ours open."""
    global _lock
    _lock = threading.Lock()
    for worker in _all:
        worker.abandon()
    _all.clear()
    _spare.clear()


os.register_at_fork(after_in_child=_in_fork)


# -- what is sent


def _request(errand: Errand, out: Out, dump: Dump) -> tuple[Any, ...]:
    def apart(buffer: pickle.PickleBuffer) -> bool:
        out.append(buffer)
        return False

    modules = [name for name in ("numpy.random",) if errand.seed is not None and name in sys.modules]
    setting = os.getcwd(), [each for each in sys.path if isinstance(each, str)], dict(os.environ)
    try:
        payload = dump((errand.fn, list(errand.positional), dict(errand.keywords)), apart, "sent")
    except UnstorableError as error:
        raise UnstorableError(_culprit(errand, dump)) from error
    return CALL, setting, payload, reached(errand.fn), errand.seed, modules


def _culprit(errand: Errand, dump: Dump) -> str:
    """What of an errand cannot be pickled."""
    names = [parameter.name for parameter in parameters_of(errand.fn)]
    given = dict(zip(names, errand.positional, strict=False)) | dict(errand.keywords)
    for name, value in given.items():
        why = _why_not(value, dump)
        if why:
            what = f"its parameter {name!r}"
            break
    else:
        what, why = _of_function(errand.fn, dump)
    return (
        f"{errand.node} cannot run in a process of its own, for {what} cannot be sent there: {why}. Make it inside the "
        f"function, or {OUT}"
    )


def _of_function(fn: Callable[..., Any], dump: Dump) -> tuple[str, str]:
    code, space = getattr(fn, "__code__", None), getattr(fn, "__globals__", {})
    for name in code.co_names if code is not None else ():
        if name in space and (why := _why_not(space[name], dump)):
            return f"the global {name!r} that it uses", why
    return "its function", _why_not(fn, dump)


def _why_not(value: object, dump: Dump) -> str:
    try:
        dump(value, lambda buffer: False, "sent")
    except UnstorableError as error:
        return str(error)
    return ""


def _refuse_pyplot(errand: Errand) -> None:
    if not PYPLOT.isdisjoint(reach(errand.fn).modules):
        raise UsageError(
            f"{errand.node} uses pyplot, whose figures belong to the cell's own thread, so it cannot run in a process "
            "of its own. Take process=True out, or draw with matplotlib.figure.Figure."
        )


# -- what comes back


def _warn(category: str, text: str, filename: str, line: int) -> None:
    known = getattr(builtins, category, None) or type(category, (UserWarning,), {})
    warnings.showwarning(known(text), known, filename, line)


def _death(node: str, code: int) -> str:
    if code >= 0:
        return f"{node} died: its process ended with exit code {code}. A node returns, or raises."
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the nameless
        name = f"signal {-code}"
    return f"{node} died: its process was killed by {name}{_HINTS.get(-code, '')}."
