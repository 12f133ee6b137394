"""Files from the network: several mirrors in turn, checked, and there whole or not at all."""

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
    """No mirror gave the file; the message says what each answered."""


def download(urls: list[str], path: Path, check: Callable[[Path], None], largest: int) -> None:
    """Fetch `path`, of at most `largest` bytes, from the first of the mirrors `urls` that gives it.

    `check` raises ValueError where the content is not the published one; such a file is
    thrown away, and the next mirror asked. Raises DownloadError when no mirror is left.
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
        raise ValueError(f"it is no address of {' or '.join(SCHEMES)}")
    # its scheme is one of the network's
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
