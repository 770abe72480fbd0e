"""Blocks of work on the actors of a Ray cluster, their results in order; what a lost actor had begun is done elsewhere.

Not Ray Data: results are wanted in order, blocks are made while the first are worked on, and one that kills its workers
is to be named. In a trial (Ray 2.60, two nodes of one CPU, one removed) its pool waited for the room of the lost node.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from synthscope import __version__
from synthscope.data.remote import permission
from synthscope.errors import SynthscopeError
from synthscope.runtime import import_timm
from synthscope.runtime.files import reason

B = TypeVar("B")
AT_ONCE = 2  # blocks that an actor has: one in work, one that waits
AHEAD = 4  # blocks for every actor between the one that is handed over next and the last one begun
MOST_LOSSES = 3  # actors that a block may take with it; then it is to blame
GIVEN_UP = f"{MOST_LOSSES} workers of the cluster died with this image or one beside it in work"


class Share(NamedTuple):
    """What one actor gets of the cluster, and how many there are."""

    cpus: int
    gpus: int
    actors: int


class Worker:
    """The actor: what ``begin`` returns for the shared arguments works on one block after the other."""

    def __init__(
        self, version: str, allowed: tuple[str, ...], begin: Callable[..., Callable[[Any], Any]], shared: list[Any]
    ) -> None:
        import ray

        if version != __version__:
            raise SynthscopeError(
                f"Expected synthscope {version} on all nodes, got {__version__} on one. Install the same everywhere."
            )
        if allowed:
            permission.allow(*allowed)
        import_timm()  # in a way that works on every machine, before Ray does because a detector is made of its classes
        self.work = begin(*ray.get(shared))

    def ready(self) -> None:
        """Returns when the actor has begun."""

    def run(self, block: Any) -> Any:
        """The result of one block."""
        return self.work(block)


def in_cluster(
    blocks: Iterable[B], begin: Callable[..., Callable[[B], Any]], shared: tuple[Any, ...], *, threads: int,
    address: str | None = None,
) -> Iterator[tuple[B, Any]]:  # fmt: skip
    """Every block with its result, in order; a few for every actor are under way.

    Args:
        blocks: Made as they are needed.
        begin: Called once in every actor, with ``shared``; returns what turns a block into a result, which must depend
            on the block alone.
        shared: Put into the object store once.
        threads: CPUs of an actor, where no node has GPUs and all have so many; with GPUs, every one gets an actor.
        address: Of the cluster; None = ``RAY_ADDRESS``, else one on this machine for this call.

    Yields:
        A block, and its result, or None where ``MOST_LOSSES`` actors have died of it.

    Raises:
        SynthscopeError: No Ray, no cluster there, or another version of this program on a node; and what blocks raise.
    """
    with _connected(address), _Pool(begin, shared, threads) as pool:
        numbered, under_way, found, place = enumerate(blocks), dict[int, B](), dict[int, Any](), 0
        more = True
        while more or under_way:
            while more and len(under_way) < AHEAD * pool.share.actors:
                number, block = next(numbered, (-1, None))
                more = number >= 0
                if more:
                    under_way[number] = block  # type: ignore[assignment]
                    pool.queue.append((number, block))
            found |= pool.step() if under_way else {}
            while place in found:
                yield under_way.pop(place), found.pop(place)
                place += 1


class _Pool:
    """Actors, and what they have in work."""

    def __init__(self, begin: Callable[..., Any], shared: tuple[Any, ...], threads: int) -> None:
        import ray

        self.share = _share(ray.nodes(), threads)
        self.queue: deque[tuple[int, Any]] = deque()
        self._losses: Counter[int] = Counter()
        self._starting: dict[Any, Any] = {}  # reference to the end of its start -> actor
        self._running: dict[Any, tuple[Any, int, Any]] = {}  # reference to a result -> actor, number, block
        self._actors: Counter[Any] = Counter()  # blocks of every actor
        self._failed_starts = 0
        kind = ray.remote(Worker).options(  # type: ignore[attr-defined]
            num_cpus=self.share.cpus, num_gpus=self.share.gpus, max_restarts=0, scheduling_strategy="SPREAD"
        )
        given = [ray.put(one) for one in shared]
        self._start = lambda: kind.remote(__version__, permission.granted(), begin, given)

    def __enter__(self) -> _Pool:
        for _ in range(self.share.actors):
            self._add()
        return self

    def __exit__(self, *exception: object) -> None:
        import ray

        for actor in [*self._starting.values(), *self._actors]:
            ray.kill(actor)

    def step(self) -> dict[int, Any]:
        """Hand out blocks and wait for something to happen; numbers and results of the blocks that are finished."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        for actor in sorted(self._actors, key=self._actors.__getitem__):
            while self.queue and self._actors[actor] < AT_ONCE:
                number, block = self.queue.popleft()
                self._running[actor.run.remote(block)] = actor, number, block
                self._actors[actor] += 1
        found: dict[int, Any] = {}
        for ended in ray.wait([*self._starting, *self._running], num_returns=1)[0]:
            try:
                result = ray.get(ended)
            except RayTaskError as error:
                raise getattr(error, "cause", None) or error from None
            except RayError as error:
                found |= self._lost(ended, error)
            else:
                if ended in self._starting:
                    self._actors[self._starting.pop(ended)] = 0
                else:
                    actor, number, _ = self._running.pop(ended)
                    self._actors[actor] -= 1
                    found[number] = result
        return found

    def _add(self) -> None:
        actor: Any = self._start()
        self._starting[actor.ready.remote()] = actor

    def _lost(self, ended: Any, error: Exception) -> dict[int, Any]:
        """Put a new actor into the place of a lost one, and its block back; a result where the block is to blame."""
        if self._starting.pop(ended, None) is not None:
            self._failed_starts += 1
            if self._failed_starts > MOST_LOSSES * self.share.actors:
                raise SynthscopeError(f"Expected actors to start in the cluster, got: {_cause(error)}.") from error
            self._add()
            return {}
        actor = self._running[ended][0]
        if actor in self._actors:
            del self._actors[actor]
            self._add()
            in_work = next(number for its, number, _ in self._running.values() if its is actor)  # the others waited
            self._losses[in_work] += 1
        _, number, block = self._running.pop(ended)
        if self._losses[number] >= MOST_LOSSES:
            return {number: None}
        self.queue.appendleft((number, block))
        return {}


def _cause(error: Exception) -> str:
    return re.sub(r" ?\[\d+m", "", reason(getattr(error, "cause", None) or error))


def _share(nodes: list[dict[str, Any]], threads: int) -> Share:
    """One actor for every GPU if there are any, else one for every ``threads`` CPUs of a node, or for a smaller node.

    >>> _share([{"Alive": True, "Resources": {"CPU": 8.0}}, {"Alive": True, "Resources": {"CPU": 2.0}}], 4)
    Share(cpus=2, gpus=0, actors=5)
    """
    alive = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    equipped = [node for node in alive if node.get("GPU", 0) >= 1]
    if equipped:
        cpus = min(int(node["CPU"] // node["GPU"]) for node in equipped)
        return Share(max(1, cpus), 1, sum(int(node["GPU"]) for node in equipped))
    if not alive:
        raise SynthscopeError("Expected nodes with CPUs in the cluster, got none. Start some: ray start --address ….")
    cpus = min(threads, *(int(node["CPU"]) for node in alive))
    return Share(cpus, 0, sum(int(node["CPU"]) // cpus for node in alive))


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    """A connection to the cluster; one that is there already is used, and left."""
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
    except ModuleNotFoundError as error:
        raise SynthscopeError("Expected Ray, got no package ray. Run pip install 'synthscope[ray]'.") from error
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    with _own_signals():
        try:
            own = {"address": "local", "include_dashboard": False}  # not one that another program has left here
            options: dict[str, Any] = {"address": address} if address else own
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SynthscopeError(
                f"Expected a Ray cluster at {address or 'this machine'}, got: {reason(error)}. Check the address, and "
                "that its nodes have the same versions of Python and Ray."
            ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
