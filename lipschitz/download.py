"""Files from the network: several mirrors in turn, checked, and there whole or not at all."""

import http.client
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

TIMEOUT_SECONDS = 20


class DownloadError(Exception):
    """No mirror gave the file; the message says what each answered."""


def download(urls: list[str], path: Path, check: Callable[[Path], None]) -> None:
    """Fetch `path` from the first of the mirrors `urls` that gives it.

    `check` raises ValueError where the content is not the published one; such a file is
    thrown away, and the next mirror asked. Raises DownloadError when no mirror is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    answers = []
    for url in urls:
        try:
            _fetch(url, unfinished)
            check(unfinished)
            os.replace(unfinished, path)
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            answers.append(f"{url}: {error}")
        finally:
            unfinished.unlink(missing_ok=True)
    raise DownloadError("; ".join(answers))


def _fetch(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
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
            shutil.copyfileobj(body, file)
