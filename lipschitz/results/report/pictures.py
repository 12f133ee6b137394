"""Pictures in a page: the image of a score, and the input that the attack found."""

import json
from typing import NamedTuple

from lipschitz.network import Box
from lipschitz.results import attacked, picture
from lipschitz.results.matfile import Record, picture_of
from lipschitz.results.report import shown
from lipschitz.results.scoring import Score


class Picture(NamedTuple):
    """A picture with its text for those who do not see it, and what stands below it."""

    address: str
    alt: str
    caption: str


def of_record(record: Record) -> Picture | None:
    """The picture of an image, if its file holds one."""
    pixels = picture_of(record)
    if pixels is None:
        return None
    caption = f"class {shown.true_class(record)}"
    alt = f"{shown.image(record)}, {caption}"
    return Picture(picture.as_data_address(pixels), alt, caption)


def of_attack(score: Score) -> Picture | None:
    """The picture of the nearest input that the attack found, if it is kept and can be shown."""
    record, box = score.file, _box(score.file)
    if record.attack is None or record.picture is None or box is None:
        return None
    found = attacked.load_shown(
        record.path, record.attack, record.provenance.get("image"), record.input_shape
    )
    if score.norm not in found:
        return None
    pixels = picture.of_image(found[score.norm], box)
    if pixels is None:
        return None
    called = f"called {shown.target(record)}"
    if not record.attack.predicted[score.norm]:
        called = (
            f"{shown.target(record)} ahead of {shown.true_class(record)}, but called a third class"
        )
    caption = f"{called}, at {shown.distance(score)}"
    return Picture(picture.as_data_address(pixels), f"the attack’s input, {caption}", caption)


def _box(record: Record) -> Box | None:
    """The box of valid inputs, if it is one interval."""
    try:
        lower, upper = json.loads(str(record.provenance.get("box")))
        return Box(float(lower), float(upper))
    except (ValueError, TypeError):
        return None
