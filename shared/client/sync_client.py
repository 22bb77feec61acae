"""`ImageJobs`: submit jobs from ordinary code. `Operator`: for those who run the app.

They are the asynchronous clients over the synchronous side of the SDK: a coroutine over it never
waits for an event loop, so each method here runs one of theirs to its end (docs/decisions/0010).
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Self

from ..events.data import Image
from . import jobs
from .async_client import AsyncImageJobs
from .caller import Caller
from .connection import SYNC, Connection, run_coroutine, run_generator
from .operators import AsyncOperator


def in_sync[**P, T](
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """Return a method that runs a coroutine method, with its parameters and its docstring."""

    @wraps(method)
    def run(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ANN401 (either client)
        return run_coroutine(method(self, *args, **kwargs))

    return run


def one_by_one[**P, T](
    method: Callable[Concatenate[Any, P], AsyncGenerator[T]],
) -> Callable[Concatenate[Any, P], Generator[T]]:
    """Return a method that yields what an asynchronous one yields."""

    @wraps(method)
    def run(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Generator[T]:  # noqa: ANN401 (as above)
        return run_generator(method(self, *args, **kwargs))

    return run


class Operator:
    """Dead letters, ledgers, and a check of everything that the app needs."""

    def __init__(self, connection: Connection) -> None:
        self._app = connection

    pools = in_sync(AsyncOperator.pools)
    today = in_sync(AsyncOperator.today)
    calls = in_sync(AsyncOperator.calls)
    backlog = in_sync(AsyncOperator.backlog)
    check_pictures = in_sync(AsyncOperator.check_pictures)
    dead_letters = in_sync(AsyncOperator.dead_letters)
    dead_letter = in_sync(AsyncOperator.dead_letter)
    send_again = in_sync(AsyncOperator.send_again)
    purge = in_sync(AsyncOperator.purge)
    check = one_by_one(AsyncOperator.check)


class ImageJobs(Caller):
    """Everything a service does with Image Jobs. Threads may share one; close it at the end.

    `Caller` says what its arguments mean.
    """

    _side = SYNC

    @property
    def operator(self) -> Operator:
        """For those who run the app: dead letters, ledgers, and a check of everything."""
        return Operator(self._connection)

    estimate = in_sync(AsyncImageJobs.estimate)
    upload = in_sync(AsyncImageJobs.upload)
    submit = in_sync(AsyncImageJobs.submit)
    submit_many = in_sync(AsyncImageJobs.submit_many)
    submit_batch = in_sync(AsyncImageJobs.submit_batch)
    batch = in_sync(AsyncImageJobs.batch)
    wait_for_batch = in_sync(AsyncImageJobs.wait_for_batch)
    status = in_sync(AsyncImageJobs.status)
    status_many = in_sync(AsyncImageJobs.status_many)
    cancel = in_sync(AsyncImageJobs.cancel)
    release = in_sync(AsyncImageJobs.release)
    approve = in_sync(AsyncImageJobs.approve)
    reject = in_sync(AsyncImageJobs.reject)
    fail = in_sync(AsyncImageJobs.fail)
    replay = in_sync(AsyncImageJobs.replay)
    erase = in_sync(AsyncImageJobs.erase)
    erase_many = in_sync(AsyncImageJobs.erase_many)
    newest = in_sync(AsyncImageJobs.newest)
    wait = in_sync(AsyncImageJobs.wait)
    result = in_sync(AsyncImageJobs.result)
    events = one_by_one(AsyncImageJobs.events)
    open = one_by_one(AsyncImageJobs.open)
    close = in_sync(AsyncImageJobs.close)

    def save(self, image: Image, path: str | Path, /) -> None:
        """Keep a picture in a file, which is there whole or not at all; raises as `open` does."""
        jobs.save_picture(self.open(image), Path(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
