"""Blocks of lines translated by this process alone, or by several with the same result."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import cache, partial
from types import TracebackType

import torch

from s2s.decoding.line_warnings import Doubts, LineWarning, warn_of_line
from s2s.decoding.streaming.input_lines import Bucket, LineBlock, split_into_buckets
from s2s.decoding.streaming.line_translator import BucketOutput, LineTranslator
from s2s.workers import Workers, in_turn

Load = Callable[[], LineTranslator]
"""Loads a run; a function that can be sent to other processes, each of which calls it once."""


class ParallelTranslator:
    """Translates in this process, and in workers that start when there is enough to do: not for a typed line.

    Blocks are divided into the same buckets whoever translates them, so the text does not depend on the number of
    processes.
    """

    def __init__(
        self,
        load: Load,
        num_workers: int,
        *,
        num_threads: int | None = None,
        enough_bytes: int = 0,
    ) -> None:
        """Load the run in this process.

        Args:
            load: see `Load`.
            num_workers: processes that share the work; 1: only this one.
            num_threads: of each worker; None: torch's default.
            enough_bytes: size of a block for which the workers are started, if it has more than one bucket.
        """
        self._translate = load()
        self._doubts = Doubts()
        self.on_lines: Callable[[int], object] = lambda num_lines: None
        """Called with the number of lines whenever some more have been translated."""
        self._num_workers, self._enough_bytes = num_workers, enough_bytes
        self._has_started = False
        begin = partial(_begin, load, num_threads)
        self._workers = Workers(num_workers, begin, work="translated", fewer="fewer workers")

    def __enter__(self) -> "ParallelTranslator":
        self._workers.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.__exit__(kind, error, trace)

    def translate(self, blocks: Iterable[LineBlock | None]) -> Iterator[tuple[LineBlock, bytes]]:
        """Each block with the output for it, in order; warnings about lines come before it, in the order of the lines.

        Args:
            blocks: any number. They are read ahead a little, but not where None announces a wait for the next one. If
                they raise an error, it is raised after the output for the blocks before it.
        """
        waiting: deque[_Pending] = deque()
        try:
            for block, error in in_turn(blocks):
                while waiting and (block is None or self._has_enough_to_do(waiting)):
                    yield self._finished(waiting.popleft())
                if error is not None:
                    raise error
                if block is None:
                    continue
                buckets = split_into_buckets(block, self._translate.bucket_lines)
                is_enough = self._has_started or block.num_bytes >= self._enough_bytes
                if waiting or (self._num_workers > 1 and len(buckets) > 1 and is_enough):
                    self._has_started = True
                    waiting.append((block, buckets, [self._workers.submit(_translate, each) for each in buckets]))
                else:
                    yield block, self._in_order(buckets, map(self._translate, buckets))
            while waiting:
                yield self._finished(waiting.popleft())
        finally:
            for _, _, futures in waiting:
                for future in futures:
                    future.cancel()

    def _finished(self, pending: "_Pending") -> tuple[LineBlock, bytes]:
        block, buckets, futures = pending
        return block, self._in_order(buckets, (future.result() for future in futures))

    def _in_order(self, buckets: Iterable[Bucket], outputs: Iterable[BucketOutput]) -> bytes:
        """The output for a block, whose warnings are given."""
        output_of: dict[int, bytes] = {}
        warnings: list[LineWarning] = []
        doubts: list[LineWarning] = []
        for bucket, output in zip(buckets, outputs, strict=True):
            output_of |= zip(bucket.numbers, output.lines, strict=True)
            warnings += output.warnings
            doubts += output.doubts
            self.on_lines(len(bucket.lines))
        for warning in sorted(warnings, key=lambda warning: warning.line):
            warn_of_line(*warning)
        self._doubts.add(len(output_of), doubts)
        return b"".join(output_of[number] for number in sorted(output_of))

    def _has_enough_to_do(self, waiting: "deque[_Pending]") -> bool:
        """Whether enough buckets are left for all workers when the first block is done; then the input waits."""
        return len(waiting) > 1 and sum(len(buckets) for _, buckets, _ in waiting) >= 2 * self._num_workers


_Pending = tuple[LineBlock, list[Bucket], "list[Future[BucketOutput]]"]
"""A block, its buckets, and their outputs to come."""


# ----------------------------------------------------------------------------------------------------------------------
# In the workers

_load: Load | None = None


def _begin(load: Load, num_threads: int | None) -> None:
    global _load
    _load = load
    if num_threads is not None:
        torch.set_num_threads(num_threads)


@cache
def _own_translator() -> LineTranslator:
    """The run, loaded by the first task and kept, so that an error of loading is an error of that task."""
    assert _load is not None
    logging.disable(logging.WARNING)  # the first process has given all warnings about the run
    try:
        return _load()
    finally:
        logging.disable(logging.NOTSET)


def _translate(bucket: Bucket) -> BucketOutput:
    return _own_translator()(bucket)
