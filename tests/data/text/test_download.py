import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from download_server import BODY, SHA256, Answer, Server
from s2s.data.text.download import cache_folder, download
from s2s.errors import DataError


def fetch(server: Server, destination: Path, **options: float) -> Path:
    return download(f"{server.url}/corpus.gz", SHA256, destination, timeout_s=5, backoff_s=0.001, **options)  # type: ignore[arg-type]


def test_download_makes_its_folder_and_leaves_nothing_else(server: Server, tmp_path: Path) -> None:
    destination = tmp_path / "new" / "folder" / "corpus"
    assert fetch(server, destination) == destination
    assert destination.read_bytes() == BODY
    assert list(destination.parent.iterdir()) == [destination]


def test_download_is_silent_away_from_a_terminal(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(server, tmp_path / "corpus")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "failure",
    [
        Answer(status=503, body=b"", num_claimed=0),
        Answer(status=429, body=b"", num_claimed=0),
        Answer(body=BODY[:-1]),
        Answer(body=b""),
    ],
)
def test_download_tries_again(server: Server, tmp_path: Path, failure: Answer) -> None:
    server.answers = [failure, failure, Answer()]
    assert fetch(server, tmp_path / "corpus").read_bytes() == BODY
    assert len(server.paths) == 3


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Answer(status=503, body=b"", num_claimed=0), "HTTP 503 Service Unavailable .try 3 of 3."),
        (Answer(body=BODY[:1000]), "got 1,000 of 160,000 bytes .try 3 of 3."),
        (Answer(status=404, body=b"", num_claimed=0), "HTTP 404 Not Found .try 1 of 3."),
        (Answer(body=b"<html>Log in</html>", num_claimed=None), f"expected sha256 {SHA256}, got .*.try 1 of 3."),
    ],
)
def test_download_gives_up(server: Server, tmp_path: Path, failure: Answer, message: str) -> None:
    server.answers = [failure]
    with pytest.raises(DataError, match=f"corpus.gz: {message}") as caught:
        fetch(server, tmp_path / "corpus", num_tries=3)
    assert server.url in str(caught.value)
    assert f"put corpus into {tmp_path} by hand" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert len(server.paths) == (3 if "3 of 3" in message else 1)


def test_download_without_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = "http://127.0.0.1:1/corpus"  # port 1 is reserved: nobody listens
    with pytest.raises(DataError, match=r"corpus: .*Connection refused \(try 2 of 2\)"):
        download(url, SHA256, tmp_path / "corpus", num_tries=2, backoff_s=0.001)
    with pytest.raises(DataError, match=r"not a usable address.*try 1 of 2"):
        download("no address", SHA256, tmp_path / "corpus", num_tries=2)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/corpus"
    with listener, pytest.raises(DataError, match=r"timed out.*try 2 of 2"):
        download(url, SHA256, tmp_path / "corpus", num_tries=2, timeout_s=0.05, backoff_s=0.001)


def test_waits_double(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits_s: list[float] = []
    monkeypatch.setattr(time, "sleep", waits_s.append)
    server.answers = [Answer(status=500, body=b"", num_claimed=0)]
    with pytest.raises(DataError, match="try 4 of 4"):
        download(server.url, SHA256, tmp_path / "corpus", backoff_s=0.5)
    assert waits_s == [0.5, 1.0, 2.0]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    destination = tmp_path / "corpus"
    destination.write_bytes(BODY)
    fetch(server, destination)
    assert server.paths == []


def test_what_is_there_and_wrong_is_replaced(server: Server, tmp_path: Path) -> None:
    destination = tmp_path / "corpus"
    destination.write_bytes(BODY[:99])
    fetch(server, destination)
    assert destination.read_bytes() == BODY


def test_what_is_there_survives_a_failure(server: Server, tmp_path: Path) -> None:
    destination = tmp_path / "corpus"
    destination.write_bytes(b"old")
    server.answers = [Answer(body=BODY[:1000])]
    with pytest.raises(DataError, match="got 1,000"):
        fetch(server, destination, num_tries=1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_a_folder_in_the_way(server: Server, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(DataError, match=r"could not write .*corpus: Is a directory\nMake room, .*S2S_CACHE"):
        fetch(server, tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_full_disk_and_an_interrupt_leave_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with(error: BaseException) -> None:
        def fail(_: int) -> None:
            raise error

        monkeypatch.setattr(os, "fsync", fail)

    fail_with(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(DataError, match=r"could not write .*corpus: No space left on device\nMake room"):
        fetch(server, tmp_path / "corpus")
    fail_with(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []
    assert len(server.paths) == 2  # neither is tried again


def test_several_at_once(server: Server, tmp_path: Path) -> None:
    threads = [threading.Thread(target=fetch, args=(server, tmp_path / "corpus")) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BODY]


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("S2S_CACHE", "/mine")
    assert cache_folder("here") == Path("here")
    assert cache_folder("") == cache_folder() == Path("/mine")
    monkeypatch.setenv("S2S_CACHE", "")
    assert cache_folder() == Path("/xdg/s2s")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/home/me/.cache/s2s")
