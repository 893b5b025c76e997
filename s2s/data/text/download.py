"""Downloads: a file that is complete and has the right sha256, or is not there."""

import hashlib
import http.client
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from s2s.data.text.parallel_text import BUFFER_BYTES, sha256_of
from s2s.errors import DataError
from s2s.files import replacing


class DownloadError(Exception):
    """One try at a download failed; `is_transient` says that another try may succeed."""

    def __init__(self, reason: str, is_transient: bool) -> None:
        super().__init__(reason)
        self.is_transient = is_transient


def download(
    url: str,
    sha256: str,
    destination: Path,
    *,
    num_tries: int = 4,
    timeout_s: float = 30.0,
    backoff_s: float = 1.0,
) -> Path:
    """Fetch `url` into `destination`, which is afterwards complete and has this sha256, or as it was before.

    A file that is already there with the right sha256 is not fetched again. Network errors, short bodies, HTTP 429 and
    HTTP 5xx are tried again after `backoff_s`, twice that, four times that; other answers are final.

    Args:
        num_tries: at least 1.
        timeout_s: the longest silence of the server, not the length of the whole download.

    Raises:
        DataError: the last try failed, or the file cannot be written.
    """
    with suppress(DataError):  # it is absent or unreadable; writing it will show what is wrong
        if sha256_of(destination) == sha256:
            return destination
    reason = ""
    for num_failed in range(num_tries):
        try:
            _try_download(url, sha256, destination, timeout_s)
            return destination
        except DownloadError as error:
            reason = f"{error} (try {num_failed + 1} of {num_tries})"
            if not error.is_transient:
                break
        if num_failed + 1 < num_tries:
            time.sleep(backoff_s * 2**num_failed)
    raise DataError(
        f"could not download {url}: {reason}\n"
        f"Check the connection, put {destination.name} into {destination.parent} by hand, "
        "or name the folder that has it with data.root=DIR."
    )


def _try_download(url: str, sha256: str, destination: Path, timeout_s: float) -> None:
    digest = hashlib.sha256()
    try:
        with replacing(destination) as file:
            for chunk in _read_url(url, timeout_s):
                file.write(chunk)
                digest.update(chunk)
            if digest.hexdigest() != sha256:
                raise DownloadError(f"expected sha256 {sha256}, got {digest.hexdigest()}", is_transient=False)
    except OSError as error:  # of the disk: those of the network have become DownloadError
        raise DataError(
            f"could not write {destination}: {error.strerror}\nMake room, or choose another folder with S2S_CACHE=DIR."
        ) from error


def _read_url(url: str, timeout_s: float) -> Iterator[bytes]:
    """Yield the body in chunks, with a progress bar when stderr is a terminal; all that fails is a DownloadError."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as response:
            length = response.headers.get("Content-Length")
            num_expected = int(length) if length else None
            name = url.rsplit("/", 1)[-1]
            # disable=None: a bar on a terminal only.
            with tqdm(total=num_expected, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
                num_bytes = 0
                while chunk := response.read(BUFFER_BYTES):
                    num_bytes += len(chunk)
                    bar.update(len(chunk))
                    yield chunk
            # http.client does not complain when a connection ends early.
            if num_expected is not None and num_bytes < num_expected:
                raise DownloadError(f"got {num_bytes:,} of {num_expected:,} bytes", is_transient=True)
    except urllib.error.HTTPError as error:
        error.close()
        is_transient = error.code == 429 or error.code >= 500
        raise DownloadError(f"HTTP {error.code} {error.reason}", is_transient) from error
    except (ValueError, http.client.InvalidURL) as error:
        raise DownloadError(f"not a usable address ({error})", is_transient=False) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)  # URLError wraps what went wrong
        raise DownloadError(str(reason) or type(error).__name__, is_transient=True) from error


def cache_folder(name: str | None = None) -> Path:
    """Where downloads and prepared text are kept: `name`, else $S2S_CACHE, $XDG_CACHE_HOME/s2s, or ~/.cache/s2s.

    What is empty counts as unset.
    """
    if folder := name or os.environ.get("S2S_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "s2s"
