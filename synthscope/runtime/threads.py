"""Work of threads, in order. Decoding, encoding and arithmetic on arrays release the interpreter lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_threads(work: Callable[[A], B], items: Iterable[A], workers: int | None = None) -> Iterator[B]:
    """``map(work, items)`` in threads, some items ahead; what has not begun is left when the consumer stops.

    Args:
        work: Called in a thread.
        items: Read in the caller's thread, as they are needed.
        workers: Threads; None = one a core.
    """
    from joblib import cpu_count

    threads = workers or cpu_count()
    pool, begun = ThreadPoolExecutor(threads), deque[Future[B]]()
    try:
        for item in items:
            begun.append(pool.submit(work, item))
            if len(begun) > 4 * threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
