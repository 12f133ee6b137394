"""The signature of scores: one short line that fixes what they depend on, `clever|v:...|net:...`.

Fields with the value that they have by default are left out, but for those that every paper names.
"""

import hashlib
from collections.abc import Mapping

from lipschitz.maths.interval import LEVEL
from lipschitz.network import LOGITS, STRUCTURE, Box
from lipschitz.results import scoring
from lipschitz.results.scored import Scored, Scoring
from lipschitz.results.scoring import UNKNOWN, Score
from lipschitz.settings import radius_of
from lipschitz.support.errors import InputError
from lipschitz.support.text import line, printable
from lipschitz.version import version

BEGINS = "clever"
LINE = line("SIGNATURE", 1)  # how the printed line begins
DIGITS = 8  # of a hash
LONGEST = 60  # characters of a value from a file


def signature(scored: Scored) -> str:
    """The signature of an experiment's scores."""
    return "|".join([BEGINS, *(f"{name}:{value}" for name, value in _fields(scored).items())])


def differences(wanted: str, found: str) -> list[str]:
    """In which fields two signatures differ, for people to read; empty if they are the same.

    Raises InputError if `wanted` is no signature.
    """
    one, two = read(wanted), read(found)
    changed = [name for name in one if name in two and one[name] != two[name]]
    return [
        *(f"{name} is {two[name]}, not {one[name]}" for name in changed),
        *(f"{name}:{value} is not in that one" for name, value in two.items() if name not in one),
        *(f"{name}:{value} is in that one alone" for name, value in one.items() if name not in two),
    ]


def read(text: str) -> dict[str, str]:
    """The fields of a signature, or of its printed line. Raises InputError if it is none."""
    begins, *fields = text.strip().removeprefix(LINE).split("|")
    pairs = [field.partition(":") for field in fields]
    if begins != BEGINS or not pairs or not all(name and colon for name, colon, _ in pairs):
        raise InputError(f"{printable(text[:LONGEST])!r} is no signature: it is {BEGINS}|v:...")
    return {name: value for name, _, value in pairs}


def _fields(scored: Scored) -> dict[str, str]:
    """The fields by name, in the order in which they are printed."""
    first, how = scored.members[0], scored.how
    told = first.provenance
    name = first.name

    def setting(key: str) -> str:
        return _word(told.get(key, UNKNOWN))

    always = {
        "v": version(),
        "net": f"{_word(first.network)}@{network_digits(told)}",
        "data": _word(first.dataset or UNKNOWN),
        "images": f"{len(scored.images)}@{_digits_of_pairs(scored.scores)}",
        "ball": f"{setting('sample_norm')},{_number(radius_of(told))}",
        "N": str(name.nsamp),
        "it": str(name.niters),
        "order": str(name.order),
        "method": how.method + (f",{_number(how.shape_reg)}" if how.method == "mle_reg" else ""),
        "seed": setting("seed"),
    }
    return always | _unusual(scored, told, how)


def _unusual(scored: Scored, told: Mapping[str, object], how: Scoring) -> dict[str, str]:
    """The fields that are not what they are by default."""
    name = scored.members[0].name
    outputs = scoring.outputs(scored.members)
    drawn, box = told.get("drawn", name.nsamp), told.get("box", str(Box()))
    fields = {
        "act": (name.activation, "relu"),
        "transform": (told.get("transform", ""), ""),
        "drawn": (drawn, name.nsamp),
        "box": (box, str(Box())),
        "outputs": (outputs, LOGITS),
        "slope": (how.use_slope, False),
        "first": (how.num_samples, 0),
        "cap": (how.cap, False),
        "level": (how.level, LEVEL),
        "targets": ("untargeted" if how.untargeted else "", ""),
        "avg": (how.average, "mean"),
    }
    return {key: _word(value) for key, (value, usual) in fields.items() if value != usual}


def network_digits(told: Mapping[str, object]) -> str:
    """The first digits of a network's fingerprint: of its weights, then of its structure."""
    if "network" not in told:
        return UNKNOWN
    parts = str(told["network"]).split(STRUCTURE, 1)
    return _word(STRUCTURE.join(part[:DIGITS] for part in parts))


def _digits_of_pairs(scores: list[Score]) -> str:
    """Of a hash of the images and targets that are scored."""
    files = {score.file.path: score.file for score in scores}.values()
    return _digest(
        sorted(
            f"{each.provenance.get('image', '')} {each.name.image_id} {each.name.true_label} "
            f"{each.name.target_label} {each.name.info}"
            for each in files
        )
    )


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:DIGITS]


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else repr(value).removesuffix(".0")


def _word(value: object) -> str:
    """A value in one word: what separates fields does not come in it."""
    return "".join(
        "_" if each.isspace() or each == "|" else each for each in printable(str(value)[:LONGEST])
    )
