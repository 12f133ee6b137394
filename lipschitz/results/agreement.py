"""Whether two experiments agree in what should be alike when their scores are compared.

The network, its transformation and its activation may differ: they are what is compared.
"""

import math
from collections.abc import Iterator

from lipschitz.results import scoring
from lipschitz.results.matfile import Record
from lipschitz.results.scored import Scored
from lipschitz.settings import IF_ABSENT, radius_of
from lipschitz.support.text import printable

LONGEST = 60  # characters of a value from a file

# settings that should be alike, and what to do if they are not
ADVICE = {
    "N": "a larger N finds steeper places and gives lower scores, so sample both with the same",
    "number of samples": "N is rounded to whole batches, so sample both in batches of one size",
    "number of iterations": "the scores of fewer are less exact, so sample both with the same, or "
    "score as many of the first maxima of each file",
    "ball": "scores depend on the ball, so sample both in the same",
    "radius": "scores depend on the ball, so sample both with the same radius",
    "box": "scores are distances in the units of the box, so divide them by its width, and sample "
    "with radii in that proportion",
    "number of values in an input": "distances grow with it, in L1 and L2, so take networks of one "
    "input size, or compare in Linf",
    "kind of outputs": "their margins are not alike, so score the logits of both",
    "data set": "pairs are matched by the numbers of images, so make sure that these are the same "
    "images",
    "seed": "the noise of other samples adds up, so take the same if the differences are small",
}
FOLLOWS = {"number of samples": {"N"}, "radius": {"ball", "box"}}  # differs if one of these does
OWN_KINDS = {"top2", "least"}  # of targets: a network's runner-up, its last
OF_OWN_KINDS = (
    "{} targets are chosen by the logits of one network, which by that choice alone has lower "
    "scores of top2 than the other, and higher ones of least: to tell which network scores higher, "
    "take random or untargeted ones, or compare again with the targets of the other"
)
OF_SCORING = ("method", "shape_reg", "use_slope", "num_samples", "cap", "untargeted")


def disagreements(first: Scored, second: Scored) -> list[str]:
    """What differs and should not, a line each, with what to do about it."""
    return [
        *_of_settings(first, second),
        *_of_scoring(first, second),
        *_of_targets(first, second),
    ]


def have_other_images(one: Record, two: Record) -> bool:
    """Whether two networks that get inputs of one form were given other ones.

    False if a file does not tell its image or its form.
    """
    images = one.provenance.get("image"), two.provenance.get("image")
    told = one.input_shape is not None and all(isinstance(image, str) for image in images)
    of_one_form = one.input_shape == two.input_shape and _box(one) == _box(two)
    return told and of_one_form and images[0] != images[1]


def _of_settings(first: Scored, second: Scored) -> Iterator[str]:
    """Settings that differ, as far as both experiments tell them."""
    one, two = _settings(first), _settings(second)
    differ = {
        name for name in ADVICE if None not in (one[name], two[name]) and one[name] != two[name]
    }
    for name, advice in ADVICE.items():
        if name in differ and not FOLLOWS.get(name, set()) & differ:
            yield f"the {name} is {_shown(one[name])} and {_shown(two[name])}: {advice}"


def _of_scoring(first: Scored, second: Scored) -> Iterator[str]:
    """Choices of scoring that differ."""
    for name in OF_SCORING:
        one, two = getattr(first.how, name), getattr(second.how, name)
        if one != two:
            yield f"scored with {name} {one} and {two}: score both alike"
    if first.how.cap and second.how.cap:
        yield "scores are cut at what was sampled: where both are, they differ by nothing"


def _of_targets(first: Scored, second: Scored) -> Iterator[str]:
    """Kinds of targets that favour one of two networks."""
    kinds = OWN_KINDS & {score.file.name.info for score in first.scores}
    if kinds and not _have_one_network(first.members[0], second.members[0]):
        yield OF_OWN_KINDS.format(" and ".join(sorted(kinds)))


def _have_one_network(one: Record, two: Record) -> bool:
    fingerprints = [each.provenance.get("network") for each in (one, two)]
    if all(fingerprints):
        return fingerprints[0] == fingerprints[1]
    return one.network == two.network


def _settings(scored: Scored) -> dict[str, object]:
    """The values that `ADVICE` is about; None if they are not known."""
    record = scored.members[0]
    told, shape = record.provenance, record.input_shape
    return {
        "N": record.name.nsamp,
        "number of samples": told.get("drawn"),
        "number of iterations": scored.how.num_samples or record.name.niters,
        "ball": told.get("sample_norm"),
        "radius": radius_of(told),
        "box": _box(record),
        "number of values in an input": None if shape is None else math.prod(map(float, shape)),
        "kind of outputs": scoring.outputs(scored.members),
        "data set": record.dataset,
        "seed": told.get("seed"),
    }


def _box(record: Record) -> object:
    return record.provenance.get("box", IF_ABSENT["box"])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else printable(str(value)[:LONGEST])
