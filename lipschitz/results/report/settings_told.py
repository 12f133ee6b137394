"""What made the scores of an experiment, for people to read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lipschitz.data.words import counted
from lipschitz.results import findings
from lipschitz.results.matfile import Record
from lipschitz.results.scored import Scored
from lipschitz.results.scoring import UNKNOWN, source
from lipschitz.settings import radius_of
from lipschitz.support.text import printable
from lipschitz.version import version

LONGEST = 200  # characters of a setting from a file
BALLS = {"l2": "L2", "l1": "L1", "li": "L∞"}
METHODS = {
    "mle_reg": "reverse Weibull, maximum likelihood with a penalty",
    "mle": "reverse Weibull, maximum likelihood without a penalty",
    "maxsamp": "no fit: the largest maximum is the constant",
}


def settings(scored: Scored) -> Iterator[tuple[str, str]]:
    """What made the scores of an experiment."""
    first, how = scored.members[0], scored.how
    name, told = first.name, first.provenance
    yield "Network", f"{first.network} ({source(first)['network']})"
    yield "Data set", first.dataset
    yield "Images", _images(scored)
    yield "Targets", _targets(scored)
    yield "Samples", f"{name.niters} iterations of N = {name.nsamp}"
    yield "Ball", _ball(told)
    yield "Order", "1, gradients" if name.order == 1 else "2, gradients and curvature"
    yield "Activation", name.activation
    if transformation := told.get("transform"):
        yield "Transformation", _word(transformation)
    yield "Valid inputs", _word(told.get("box", UNKNOWN))
    yield "Seed", _word(told.get("seed", UNKNOWN))
    yield "Attack", _attack(scored.members)
    yield "Fit", METHODS[how.method] + (f" of {how.shape_reg:g}" if how.method == "mle_reg" else "")
    yield "Intervals", f"level {how.level:g}"
    if how.use_slope or how.num_samples:
        cut = f"the first {how.num_samples} " if how.num_samples else ""
        yield "Maxima", f"{cut}of {'slopes' if how.use_slope else 'gradients'}"
    if how.cap:
        yield "Cap", "no score is larger than what was sampled"
    yield "Sampled by", f"version {first.version or UNKNOWN}"
    yield "Scored by", f"version {version()}"


def _images(scored: Scored) -> str:
    """How many images are scored, of how many, and their numbers."""
    first, last = min(scored.images), max(scored.images)
    numbers = f"number {first}" if first == last else f"numbers {first} to {last}"
    taken, wrong = findings.images_taken(scored)
    told = counted(len(scored.images), "image") + f" ({numbers})"
    if wrong:
        told += f" of {taken}; {wrong} {'is' if wrong == 1 else 'are'} classified wrongly"
    return told


def _targets(scored: Scored) -> str:
    """How many targets of each kind there are."""
    kinds = Counter(
        scored.kind(each) for each in scored.scores if each.norm == scored.scores[0].norm
    )
    if scored.how.untargeted:
        return f"all classes but the true one, {kinds.total()} in all"
    return ", ".join(f"{kind}: {number}" for kind, number in kinds.items())


def _ball(told: Mapping[str, object]) -> str:
    ball, radius = told.get("sample_norm"), radius_of(told)
    norm = BALLS.get(ball, UNKNOWN) if isinstance(ball, str) else UNKNOWN
    size = "radius unknown" if radius is None else f"radius {radius:g}"
    return f"{norm}, {size}"


def _attack(members: Sequence[Record]) -> str:
    """The settings of the attack that took the most steps."""
    found = [each.attack.settings for each in members if each.attack is not None]
    if not found:
        return "none"
    settings = max(found, key=lambda each: _number(each.get("steps")))
    told = [_word(settings.get("method", UNKNOWN))]
    told += [f"{_word(settings[key])} {key}" for key in ("steps", "starts") if key in settings]
    return ", ".join(told) + ("" if len(found) == len(members) else ", of some targets only")


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _word(value: object) -> str:
    return printable(str(value)[:LONGEST])
