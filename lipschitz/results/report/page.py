"""A report of scores: one page in one file, which needs nothing else and asks nobody for anything.

`page.html` is its template, beside it are its style and script. A policy in the page lets a browser
load and run nothing but these, and all text from files is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.environment import TemplateStream
from markupsafe import Markup

from lipschitz.results.report import marks, shown
from lipschitz.results.report.inline_svg import Ids
from lipschitz.results.report.section import Section
from lipschitz.results.report.words import WORDS
from lipschitz.results.scored import Scored
from lipschitz.support.atomic import replacing
from lipschitz.version import version

if TYPE_CHECKING:
    from lipschitz.results.comparison import Compared, Comparison

FOLDER = Path(__file__).parent
WEAK = 0.05  # a p-value above which a difference of means is that of a few images


def page(
    experiments: Sequence[Scored], compared: Sequence[Compared] = (), unreadable: int = 0
) -> str:
    """The page of experiments and their comparisons; the same input gives the same text.

    `unreadable` files were left out.
    """
    return "".join(_stream(experiments, compared, unreadable))


def write(
    path: Path,
    experiments: Sequence[Scored],
    compared: Sequence[Compared] = (),
    unreadable: int = 0,
) -> None:
    """Write the page, whole or not at all; it is not held in memory."""
    stream = _stream(experiments, compared, unreadable)
    stream.enable_buffering()
    with replacing(path) as unfinished:
        stream.dump(str(unfinished), encoding="utf-8")


def _stream(
    experiments: Sequence[Scored], compared: Sequence[Compared], unreadable: int
) -> TemplateStream:
    """The page in pieces, made as they are asked for."""
    style, script = (_own(name) for name in ("style.css", "script.js"))
    ids = Ids()
    most = max(marks.MOST_LOOKED_AT // len(experiments), marks.FEWEST_LOOKED_AT)
    return (
        _environment()
        .get_template("page.html")
        .stream(
            title=_title(experiments),
            sections=[
                Section(f"e{number}", each, ids, most)
                for number, each in enumerate(experiments, start=1)
            ],
            compared=compared,
            unreadable=unreadable,
            style=Markup(style),  # noqa: S704 - the toolkit's own file
            script=Markup(script),  # noqa: S704
            policy=_policy(style, script),
            version=version(),
            norms=shown.NORMS,
            shown=shown,
            marks=marks,
            called=lambda scored: _called(scored, experiments),
            outcome=_outcome,
            words=WORDS.items(),
        )
    )


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("lipschitz.results.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What a browser may load: pictures in the page, this style and this script."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _title(experiments: Sequence[Scored]) -> str:
    first = experiments[0].members[0]
    if len({shown.network(each) for each in experiments}) > 1:
        return f"Robustness scores of {len(experiments)} experiments"
    if not first.network:
        return "Robustness scores"
    return f"Robustness scores of {shown.network(experiments[0])}"


def _called(scored: Scored, experiments: Sequence[Scored]) -> str:
    """An experiment by its number on the page."""
    numbers = (number for number, each in enumerate(experiments, start=1) if each is scored)
    number = next(numbers, None)
    return shown.experiment(scored) if number is None else f"experiment {number}"


def _outcome(comparison: Comparison) -> str:
    """How the second experiment compares with the first, in words."""
    if comparison.interval is None:
        return "too few images to tell"
    low, high = comparison.interval
    if low <= 0 <= high:
        return "is not clearly different"
    perhaps = "perhaps " if comparison.p_value > WEAK else ""
    return f"{perhaps}scores {'higher' if low > 0 else 'lower'}"
