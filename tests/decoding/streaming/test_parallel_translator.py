"""Several processes give what one gives, in order, and are started only when there is enough to do."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from s2s.config.search import SearchConfig
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.streaming.input_lines import LineBlock
from s2s.decoding.streaming.line_translator import load_line_translator
from s2s.decoding.streaming.parallel_translator import ParallelTranslator
from s2s.errors import DataError
from tasks import Capitalizer


def translator(num_workers: int, enough_bytes: int = 0) -> ParallelTranslator:
    return ParallelTranslator(Capitalizer, num_workers, num_threads=1, enough_bytes=enough_bytes)  # type: ignore[arg-type]


def blocks(*sizes: int) -> Iterator[LineBlock]:
    """Windows of so many lines, of lengths that rise and fall."""
    first = 1
    for size in sizes:
        yield LineBlock(first, [b"x" * (number * 7 % 11) for number in range(first, first + size)])
        first += size


def numbered(content: bytes) -> list[tuple[bytes, bytes]]:
    """Number and words of each line."""
    return [tuple(line.split(b" ")[:2]) for line in content.split(b"\n")[:-1]]  # type: ignore[misc]


def processes(content: bytes) -> set[int]:
    return {int(line.split(b" ")[2]) for line in content.split(b"\n")[:-1]}


SIZES = (10, 1, 3, 7, 25, 2, 4)


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same_in_order() -> None:
    found = []
    for num_workers in (1, 2):
        with translator(num_workers) as workers:
            found.append(list(workers.translate(blocks(*SIZES))))
    assert [block for block, _ in found[0]] == [block for block, _ in found[1]] == list(blocks(*SIZES))
    contents = [b"".join(content for _, content in results) for results in found]
    assert numbered(contents[0]) == numbered(contents[1])
    assert numbered(contents[0]) == [(b"%d" % number, b"X" * (number * 7 % 11)) for number in range(1, sum(SIZES) + 1)]
    assert processes(contents[0]) == {os.getpid()}
    assert os.getpid() not in processes(contents[1])
    assert 1 <= len(processes(contents[1])) <= 2
    assert b" 1\n" in contents[1]  # thread


def test_a_block_of_one_bucket_is_translated_here() -> None:
    with translator(2) as workers:
        assert [processes(content) for _, content in workers.translate(blocks(1, 3, 2))] == [{os.getpid()}] * 3


@pytest.mark.slow
def test_others_are_started_for_enough_bytes_only() -> None:
    sizes = (10, 10, 40, 10)
    enough = max(block.num_bytes for block in blocks(*sizes))
    with translator(2, enough) as workers:
        found = [processes(content) for _, content in workers.translate(blocks(*sizes))]
    assert [here == {os.getpid()} for here in found] == [True, True, False, False]


@pytest.mark.slow
def test_nothing_is_held_back_while_input_is_waited_for() -> None:
    """Each block is out before the next one is asked for, where a wait is announced between them."""
    out: list[int] = []

    def coming() -> Iterator[LineBlock | None]:
        for number, block in enumerate(blocks(10, 10, 10)):
            assert len(out) == number
            yield block
            yield None

    with translator(2) as workers:
        for block, _ in workers.translate(coming()):
            out.append(block.first_line)
    assert out == [1, 11, 21]


@pytest.mark.slow
def test_input_is_read_ahead_a_little_only() -> None:
    taken = []

    def endless() -> Iterator[LineBlock]:
        for first in range(1, 10**9, 5):
            taken.append(first)
            yield LineBlock(first, [b"a"] * 5)

    with translator(2) as workers:
        results = workers.translate(endless())
        for num in range(1, 30):
            next(results)
            assert len(taken) - num <= 2  # two buckets each, of which the two processes have two in hand
        results.close()


@pytest.mark.slow
def test_errors_come_in_their_turn() -> None:
    with translator(2) as workers:
        results = workers.translate([*blocks(10), LineBlock(11, [b"a", b"b", b"c", b"fail"]), None])
        assert next(results)[0].first_line == 1
        with pytest.raises(DataError, match="there is a line that fails"):
            next(results)


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
def test_what_came_before_an_error_of_the_input_is_translated(num_workers: int) -> None:
    def breaking_off() -> Iterator[LineBlock]:
        yield from blocks(4, 5)
        raise DataError("the input is damaged")

    with translator(num_workers) as workers:
        found = workers.translate(breaking_off())
        for expected in ((1, 4), (5, 5)):
            block, content = next(found)
            assert (block.first_line, len(numbered(content))) == expected
        with pytest.raises(DataError, match="the input is damaged"):
            next(found)


@pytest.mark.slow
def test_a_killed_process_is_reported() -> None:
    with pytest.raises(DataError, match="a process that translated was killed"), translator(2) as workers:
        list(workers.translate([LineBlock(1, [b"a", b"b", b"c", b"kill"])]))


@pytest.mark.slow
def test_a_run_is_loaded_by_each_process(tiny_run: Path) -> None:
    lines = [
        line.encode()
        for line in ("하나 둘", "", "셋", "넷 다섯 여섯 하나", "둘", "셋 셋", "넷", "다섯 여섯", "하나", "둘 둘")
    ]
    load = partial(load_line_translator, tiny_run, search=SearchConfig(beam_size=2), device="cpu", batch_size=2)
    found = []
    for num_workers in (1, 2):
        with ParallelTranslator(load, num_workers) as workers:
            found.append([content for _, content in workers.translate([LineBlock(1, lines)])])
    assert found[0] == found[1]
    texts = BatchTranslator.load(tiny_run, search=SearchConfig(beam_size=2)).translate(
        [line.decode() for line in lines]
    )
    assert found[0][0].decode() == "".join(f"{text}\n" for text in texts)
