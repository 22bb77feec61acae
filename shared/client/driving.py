"""Running coroutines that never suspend: how the synchronous client does what the other does.

What the client decides and does is written once, against `Storage`. Where storage answers at once,
as the synchronous one does, a coroutine runs to its end at the first step and needs no event loop.
"""

from collections.abc import AsyncGenerator, Awaitable, Iterator


def driven[T](work: Awaitable[T]) -> T:
    """Return what the work comes to; `RuntimeError` if it waits for an event loop."""
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("synchronous work waited for an event loop: its storage is not synchronous")


def iterated[T](values: AsyncGenerator[T]) -> Iterator[T]:
    """Yield what an asynchronous generator yields; closing this closes that."""
    try:
        while True:
            try:
                value = driven(values.__anext__())
            except StopAsyncIteration:
                return
            yield value
    finally:
        driven(values.aclose())
