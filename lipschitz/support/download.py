"""Downloads: several mirrors are tried in turn, and a file is checked before it is kept."""

import http.client
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from lipschitz.support.atomic import replacing

TIMEOUT_SECONDS = 20
SCHEMES = ("https", "http")
PIECE = 2**16  # bytes


class DownloadError(Exception):
    """No mirror gave the file; the message says what was wrong with each."""


def download(urls: list[str], path: Path, check: Callable[[Path], None], largest: int) -> None:
    """Download `path`, of at most `largest` bytes, from the first of the mirrors `urls` that works.

    `check` raises ValueError if the content is not the published one; such a file is removed, and
    the next mirror is tried. Raises DownloadError if none is left.
    """
    answers = []
    for url in urls:
        try:
            with replacing(path) as unfinished:
                _fetch(url, unfinished, largest)
                check(unfinished)
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            answers.append(f"{url}: {error}")
    raise DownloadError("; ".join(answers))


def _fetch(url: str, path: Path, largest: int) -> None:
    if urllib.parse.urlsplit(url).scheme not in SCHEMES:
        raise ValueError(f"it is not an address of {' or '.join(SCHEMES)}")
    # the scheme was checked above
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        size = int(answer.headers.get("Content-Length") or 0) or None
        with (
            tqdm.wrapattr(
                answer,
                "read",
                total=size,
                desc=url.rpartition("/")[2],
                disable=not sys.stderr.isatty(),
            ) as body,
            path.open("wb") as file,
        ):
            while piece := body.read(PIECE):
                if file.tell() + len(piece) > largest:
                    raise ValueError(f"it has more than {largest} B")
                file.write(piece)
