"""Performs what the scheduler decides: lanes that take nodes, a clock that is kept, a journal, and whoever listens.

Nobody stands between a node and the next: the thread that has finished one tells the scheduler, under a lock, and takes
the next itself. What a node is, and what becomes of its value, is the affair of the :class:`Work`; there is one for
runs that keep their results, and one for those that only pass values on.

There is one place where a node is started (:meth:`Driver._start`) and one where it becomes finished
(:meth:`Driver._report`). Events are published after the journal has them, in its order.
"""

from __future__ import annotations

import contextvars
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf

from dagbook.engine.events import NO_NODE, Kind, Log
from dagbook.engine.interrupts import serves
from dagbook.engine.options import RunOptions
from dagbook.engine.ports import Record
from dagbook.engine.scheduler import Scheduler
from dagbook.engine.states import Place, State
from dagbook.engine.work import Environment, Job, Work
from dagbook.errors import RunPaused, StoreError

GRACE = 0.4
"""How long, in seconds, an interrupt waits for running nodes before it leaves them behind."""

GATHER = 0.01
"""Seconds between two commits to a durable journal: what happens meanwhile is written together."""

BEAT = 5.0
"""Seconds between two signs of life of a durable run, for whoever cannot see its process."""

MOST = 64
"""How many ready nodes a lane takes at once, at most: far fewer than there are for all lanes."""

TURN = 0.002
"""Seconds after which a lane with several nodes lets others have those that it has not come to."""

GLANCE = 0.05
"""Seconds between two looks at an event that only others can set, while nothing else happens."""


class Driver:
    """Drives one run. :meth:`begin` starts it; everything else may be called on any thread, at any time."""

    def __init__(
        self,
        scheduler: Scheduler,
        work: Work,
        env: Environment,
        options: RunOptions,
        number: int,
        places: Sequence[int],
    ) -> None:
        self.scheduler = scheduler
        self.log: Log = scheduler.log
        self.work = work
        self.env = env
        self.options = options
        self.number = number
        self.began = env.clock.monotonic()
        self._latest = 0.0
        self.errors: dict[str, BaseException] = {}
        self.left_behind: list[str] = []
        self.crash: BaseException | None = None
        self.ended = threading.Event()
        self.after: Callable[[], None] = _nothing
        self._calls: list[Callable[[], object]] = []
        self.ending = "done"
        self._places = places
        self._in_order = scheduler.in_order
        self._lock = threading.Lock()
        self._idle = list(range(env.workers.slots, 0, -1))
        self._caller_idle = True
        self._jobs: dict[int, Job] = {}  # by lane
        self._loose: set[Job] = set()  # coroutines: as many as want to
        self._rests: dict[int, float] = {}  # when a node is to be tried again
        self._deadline = inf if options.timeout is None else self.began + options.timeout
        self._give_up = inf
        self._next_beat = self.began + BEAT if env.durable else inf
        self._asked = False  # an interrupt was heard
        self._over = False
        self._committed = 0
        self._bell = threading.Event()
        self._over_bell = threading.Event()
        self._attendant: threading.Thread | None = None
        self._context = contextvars.copy_context()
        self._timed = env.durable or options.timeout is not None

    # -- from outside

    def begin(self, after: Callable[[], None]) -> None:
        """Start; ``after`` is called when everything has ended."""
        self.after = after
        if self._timed:
            self._attend()
        with self._lock:
            self.scheduler.now = self._time()
            self._advance()
            self._go_on()

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Start nothing more; what runs is allowed to end."""
        with self._lock:
            self._cancel(reason, "cancelled")

    def stop(self, reason: str = "the run was paused") -> None:
        """As :meth:`cancel`, to go on another time: the run ends as ``paused``."""
        with self._lock:
            self._cancel(reason, "paused")

    def pause(self) -> None:
        """Start nothing new until :meth:`resume`."""
        with self._lock:
            if not self._over:
                self._catch_up(halt=True)
                self.scheduler.pause()
                self._go_on()

    def resume(self) -> None:
        """Go on after a pause."""
        with self._lock:
            if not self._over:
                self.scheduler.now = self._time()
                self.scheduler.resume()
                self._advance()
                self._go_on()

    def interrupt(self) -> None:
        """Cancel, and wait only a moment for what runs: later results are thrown away."""
        with self._lock:
            self._interrupted()
            self._go_on()

    def ask(self) -> None:
        """As :meth:`interrupt`, from a signal handler: takes no lock, and is acted on soon."""
        self._asked = True
        job = self._jobs.get(0)
        if job is not None:
            job.halt.append(None)
        self.env.inline.submit(self._heed)

    def when_ended(self, call: Callable[[], object]) -> None:
        """Have ``call`` called at the end, on whatever thread that comes; at once if it has come."""
        with self._lock:
            if not self.ended.is_set():
                self._calls.append(call)
                return
        call()

    def glance(self) -> None:
        """Bring the log up to what the lanes have done."""
        with self._lock:
            self._catch_up()

    @property
    def status(self) -> str:
        """How the run ended, or ``running``."""
        return self.ending if self.ended.is_set() else "running"

    # -- lanes

    def serve(self, lane: int) -> None:
        """Run nodes on this thread until there is none for it."""
        job: Job | None = None
        try:
            with self._lock:
                self.scheduler.now = self._time()
                job = self._take(Place.WORKER if lane else Place.CALLER, lane)
            while job is not None:
                self.work.perform(job)
                with self._lock:
                    job = self._next(job)
        except BaseException as error:  # a defect of ours, or an interrupt between two nodes: the run must end
            self._broken(job, error)

    def _next(self, job: Job) -> Job | None:
        if job.dead:  # a worker's lane may have another thread by now; the caller has only one
            return self._take(job.place, job.lane) if job.returns or not job.lane else None
        self.scheduler.now = self._time()
        del self._jobs[job.lane]
        self._report(job)
        rest = self._followed(job)
        if rest is not None:
            self._jobs[job.lane] = rest
            return rest
        if len(job.ends) < len(job.nodes):
            self.scheduler.put_back(job.nodes[len(job.ends) :])
        return self._take(job.place, job.lane)

    def _followed(self, job: Job) -> Job | None:
        """A node that the log says was started, when the lane stopped just before it."""
        done = len(job.ends)
        if job.error is None and done < len(job.nodes) and job.nodes[done] in self.scheduler.running:
            return Job(job.nodes[done : done + 1], job.place, job.lane, self.scheduler.now)
        return None

    def _take(self, place: int, lane: int) -> Job | None:
        """What a lane is to run next; it is idle when there is nothing."""
        self._advance()
        if self.scheduler.claimed and any(map(self._held_up, self._jobs.values())):
            self.halt()
        job = self._start(place, lane)
        if job is None and self.scheduler.claimed:  # what others have claimed, and not come to, is for all again
            self.halt()
            job = self._start(place, lane)
        if job is not None:
            self._jobs[lane] = job
        elif lane:
            self._idle.append(lane)
        else:
            self._caller_idle = True
        self._go_on()
        return job

    def _held_up(self, job: Job) -> bool:
        """Whether a lane has been so long at one node that it should let others have those after it."""
        since = job.ends[-1] if job.ends else self.began + job.began
        return len(job.nodes) - len(job.ends) > 1 and self.env.clock.monotonic() - since > TURN

    def _start(self, place: int, lane: int) -> Job | None:
        """The one place where a node is started."""
        i = self.scheduler.take(place, lane)
        if i is None:
            return None
        nodes: Sequence[int] = (i,)
        if self.env.stretches:
            ready, lanes = self.scheduler.ready_count(place), self.env.workers.slots
            most = 1 if self.options.costs else MOST  # those who say what is urgent are taken at their word
            nodes = self.scheduler.stretch(i, min(most, 1 + ready // (2 * lanes)))
        job = Job(nodes, place, lane, self.scheduler.now)
        if not self._in_order:
            job.limit = self.env.clock.monotonic() + TURN
        self._set_deadline(job, i)
        return job

    def _set_deadline(self, job: Job, i: int) -> None:
        seconds = self.work.timeout(i)
        if seconds is not None:
            job.deadline = self.env.clock.monotonic() + seconds
            self._attend()
            self._bell.set()

    def _go_on(self) -> None:
        """Have the other lanes take what they can; tell what happened; end the run when it is over."""
        scheduler = self.scheduler
        for place in self._places:
            if place == Place.WORKER:
                while self._idle and scheduler.waiting(Place.WORKER) and not self._enough():
                    self._send(self._idle.pop())
            elif place == Place.LOOP:
                if scheduler.waiting(Place.LOOP) and self.options.loop is not None:
                    self.options.loop.call_soon_threadsafe(self._serve_loop)
            elif self._caller_idle and scheduler.waiting(Place.CALLER):
                self._caller_idle = False
                self.env.inline.submit(partial(self.serve, 0))
        if scheduler.done and not self._over:
            self._over = True
            self._over_bell.set()
            if self._attendant is None:
                self._finalize()
        if self._attendant is not None:
            self._bell.set()
        elif self.env.watched:
            self._commit(self._news())

    def _enough(self) -> bool:
        """Whether lanes that were sent for have not come yet, and will find all that is ready."""
        coming = self.env.workers.slots - len(self._idle) - sum(1 for lane in self._jobs if lane)
        return coming >= self.scheduler.ready_count(Place.WORKER)

    def _send(self, lane: int) -> None:
        self.env.workers.submit(partial(self._context.copy().run, self.serve, lane))

    # -- coroutines

    def _serve_loop(self) -> None:
        """Begin all coroutines that can be; on the thread of the caller's event loop."""
        with self._lock:
            self.scheduler.now = self._time()
            self._advance()
            while (job := self._start(Place.LOOP, 0)) is not None:
                self._loose.add(job)
                assert self.options.loop is not None
                job.task = self.options.loop.create_task(self._await(job), context=self._context.copy())
            self._go_on()

    async def _await(self, job: Job) -> None:
        await self.work.perform_async(job)
        with self._lock:
            if job.dead:
                return
            self.scheduler.now = self._time()
            self._loose.discard(job)
            self._report(job)
            self._advance()
            self._go_on()

    # -- deciding and finishing

    def _advance(self) -> None:
        """Decide what is to be done with nodes whose inputs are settled; the lock is free meanwhile."""
        if self._asked:
            self._interrupted()
        event = self.options.cancel_event
        if event is not None and event.is_set():
            self._cancel("the run was cancelled", "cancelled")
        scheduler, work = self.scheduler, self.work
        while True:
            for i in scheduler.joined():
                work.join(i)
            batch = scheduler.checks()
            if not batch:
                return
            self._lock.release()
            try:
                verdicts = [work.check(i) for i in batch]
            finally:
                self._lock.acquire()
            scheduler.now = self._time()
            for i, verdict in zip(batch, verdicts, strict=True):
                if scheduler.state(i) is State.SETTLED:
                    work.answer(i, verdict)

    def _report(self, job: Job) -> None:
        """The one place where nodes become finished."""
        self.work.report(job)

    def failed(self, i: int, error: BaseException, again: bool = False) -> bool:
        """A node raised: it is tried ``again``, or as it has further attempts; else it has failed, and this is True."""
        scheduler, attempt = self.scheduler, self.scheduler.attempt(i)
        if isinstance(error, KeyboardInterrupt):
            self._interrupted()
            scheduler.abandon(i)
            return False
        if isinstance(error, RunPaused):
            self._cancel("the run was paused", "paused")
            scheduler.abandon(i, f"it asked for a pause{f': {error}' if str(error) else ''}")
            return False
        described = self.work.describe(error)
        if self.options.fail_fast:
            self._catch_up(halt=True)  # else nodes would be skipped that a lane has come to
        retries, backoff = self.work.retries(i)
        more = attempt <= retries and isinstance(error, Exception) and i in scheduler.running
        if again or more:
            rest = backoff * 2.0 ** (attempt - 1) * _jitter() if backoff and not again else 0.0
            if scheduler.retry(i, attempt, described, rest=rest > 0) and rest and i in scheduler.resting:
                self._rests[i] = self.env.clock.monotonic() + rest
                self._attend()
            return False
        if not scheduler.fail(i, attempt, described):
            return False
        self.errors[self.log.names[i]] = error
        self.ending = "failed"
        return True

    def refuse(self, error: BaseException) -> None:
        """The run cannot go on: it ends, and ``crash`` says why."""
        self.crash = self.crash or error
        self._cancel("the run was stopped by an error", "failed")

    def _broken(self, job: Job | None, error: BaseException) -> None:
        with self._lock:
            if isinstance(error, KeyboardInterrupt):
                self._interrupted()
            else:
                self.refuse(error)
            if job is not None and not job.dead:
                self._jobs.pop(job.lane, None)
                for i in [i for i in job.nodes if i in self.scheduler.running]:
                    self.scheduler.abandon(i)
            self._go_on()

    def _cancel(self, reason: str, ending: str) -> None:
        self._catch_up(halt=True)
        if self.scheduler.done:
            return
        if not self.scheduler.cancelling and self.ending == "done":
            self.ending = ending
        self.scheduler.cancel(reason)
        self._go_on()

    def _interrupted(self) -> None:
        self._asked = False
        self._cancel("interrupted", "cancelled")
        self._give_up = min(self._give_up, self.env.clock.monotonic() + GRACE)
        if self.scheduler.running:
            self._attend()

    def _heed(self) -> None:
        if self._asked:
            self.interrupt()

    # -- what the lanes have done meanwhile

    def halt(self) -> None:
        """Have the log say where each lane is, and no lane go on to another node without asking. Under the lock."""
        self._catch_up(halt=True)

    def _catch_up(self, halt: bool = False) -> None:
        """Log what lanes have finished amid their jobs; with ``halt`` have them ask before the next node."""
        self.scheduler.now = self._time()
        for job in self._jobs.values():
            if len(job.nodes) == 1:
                continue
            if halt:
                job.halt.append(None)  # before the ends are counted: at most one more will be added
            self.log_ends(job)
            self._log_start(job)
            if halt and job.seen + 1 < len(job.nodes):
                self.scheduler.put_back(job.nodes[job.seen + 1 :])
                job.nodes = job.nodes[: job.seen + 1]

    def log_ends(self, job: Job) -> None:
        """Log the nodes of a job that have ended since the last time; when the next one raised, that it was started."""
        ends = job.ends[job.seen :]
        if ends:
            # a job of one node is reported at once: by the time now, no event is older than the one before it
            times = [end - self.began for end in ends] if self.env.stretches else [self.scheduler.now]
            self.scheduler.ran(job.nodes[job.seen :], times, job.lane)
            job.seen += len(ends)
        if job.error is not None:
            self._log_start(job)

    def _log_start(self, job: Job) -> None:
        """Log that the lane has come to the node after those that have ended."""
        if job.seen < len(job.nodes) and job.current not in self.scheduler.running:
            self.scheduler.follow(job.current, job.ends[job.seen - 1] - self.began, job.lane)

    # -- time

    def _time(self) -> float:
        """Seconds since the run began; never less than before, even if the clock was set back."""
        self._latest = max(self._latest, self.env.clock.monotonic() - self.began)
        return self._latest

    def _attend(self) -> None:
        """Have somebody keep the time, and write what is durable."""
        if self._attendant is None and not self._over:
            self._attendant = threading.Thread(
                target=self._context.copy().run, args=(self._attend_to,), name="dagbook run", daemon=True
            )
            self._attendant.start()
        self._bell.set()

    def _attend_to(self) -> None:
        over = False
        while not over:
            self._bell.wait(self._patience())
            if self.env.durable:
                self._over_bell.wait(GATHER)
            try:
                with self._lock:
                    self._keep_time()
                    over = self._over
                    news = self._news()
                    self._bell.clear()  # all that it was rung for is dealt with, also what happened just now
                self._commit(news)
                self._beat()
            except BaseException as error:  # a defect of ours must reach the caller, not vanish with the thread
                self._broken(None, error)
                self._abandon_all()
                over = True
        self._finalize()

    def _patience(self) -> float | None:
        with self._lock:
            times = [self._deadline, self._give_up, self._next_beat, *self._rests.values()]
            times += [job.deadline for job in (*self._jobs.values(), *self._loose)]
            if self.options.cancel_event is not None and not self.scheduler.cancelling:
                times.append(self.env.clock.monotonic() + GLANCE)
            first = min(times)
        return None if first == inf else max(0.0, first - self.env.clock.monotonic())

    def _keep_time(self) -> None:
        now = self.env.clock.monotonic()
        if self._deadline <= now and not self._over:
            self._expire()
        for job in [*self._jobs.values(), *self._loose]:
            if job.deadline <= now:
                self._time_out(job)
        for i in [i for i, due in self._rests.items() if due <= now]:
            del self._rests[i]
            self.scheduler.wake(i)
        if self._give_up <= now:
            self._abandon_all()
        self.scheduler.now = self._time()
        self._advance()
        self._go_on()

    def _time_out(self, job: Job) -> None:
        self.scheduler.now = self._time()
        i = job.current
        if self.scheduler.time_out(i, self.scheduler.attempt(i), self.work.timeout(i) or 0.0):
            self.ending = "failed"
        self._leave(job)

    def _expire(self) -> None:
        self._deadline = inf
        self._catch_up(halt=True)
        reason = f"the run took longer than {self.options.timeout:g} s"
        self.ending = "timed out"
        self.scheduler.expire(reason)
        for job in [*self._jobs.values(), *self._loose]:
            if job.seen < len(job.nodes):
                self._leave(job)

    def _abandon_all(self) -> None:
        self._give_up = inf
        for job in [*self._jobs.values(), *self._loose]:
            self.log_ends(job)
            if job.seen < len(job.nodes):  # else its lane is on its way to say that it has ended
                self.scheduler.abandon(job.current)
                self._leave(job)

    def _leave(self, job: Job) -> None:
        """Nobody waits for this job any more: its call is ended; where that cannot be, its lane gets another thread."""
        job.dead = True
        abort = job.abort
        if abort is not None:
            job.returns = True
            del self._jobs[job.lane]
            abort()
            return
        self.left_behind.append(self.log.names[job.current])
        if job.place == Place.LOOP:
            self._loose.discard(job)
            assert self.options.loop is not None
            self.options.loop.call_soon_threadsafe(job.task.cancel)
            return
        del self._jobs[job.lane]
        if job.lane:
            self.env.workers.replace()
            self._idle.append(job.lane)

    # -- remembering and telling

    def _news(self) -> tuple[int, int, Sequence[Record]]:
        """What happened since the last time, and what is to be recorded with it."""
        start, stop = self._committed, len(self.log)
        self._committed = stop
        return start, stop, self.work.told(start, stop)

    def _commit(self, news: tuple[int, int, Sequence[Record]]) -> None:
        """Journal what happened, then publish it."""
        start, stop, records = news
        if start == stop:
            return
        try:
            self.env.journal.commit(self.number, self.log, start, stop, records)
        except StoreError as error:
            self._unrecorded(error)
        self.env.publish(self.log, start, stop)

    def _beat(self) -> None:
        """Have the journal say that this process lives, now and then."""
        now = self.env.clock.monotonic()
        if now < self._next_beat:
            return
        self._next_beat = now + BEAT
        with suppress(StoreError):  # the next commit will say so, if it cannot be written
            self.env.journal.beat(self.number, self.env.clock.wall())

    def _finalize(self) -> None:
        self.log.add(Kind.RUN_FINISHED, NO_NODE, self._time(), {"status": self.ending})
        self._commit(self._news())
        try:
            self.env.journal.finish(self.number, self.ending, self.env.clock.wall())
        except StoreError as error:
            self._unrecorded(error)
        try:
            self.after()
        finally:
            self.ended.set()
            self.env.inline.close()
            for call in self._calls:
                call()

    def _unrecorded(self, error: StoreError) -> None:
        """The journal cannot be written: the run goes on, and says so."""
        warnings.warn(f"this run is not recorded: {error}", RuntimeWarning, stacklevel=2)


serves(Driver.serve)


def _nothing() -> None:
    pass


def _jitter() -> float:
    """Between a half and one: nodes that failed together are not tried again together."""
    from random import random  # seldom needed

    return 0.5 + random() / 2
