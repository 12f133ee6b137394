"""A figure as SVG that stands inside a page: small, in the page's colours and its font.

The page's policy allows no style in an element, so that styles become attributes. The ids are
those of the page, so that each is there once.
"""

import io
import re
from html import escape
from itertools import count
from xml.etree.ElementTree import Element, fromstring

from matplotlib.figure import Figure

from lipschitz.results.report.drawing import COLOURS, in_style

NAMESPACE = re.compile(r"^\{.*\}")
SVG, HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
MANY = 20
MARKERS = ("marker-start", "marker-mid", "marker-end")  # the points of a path
WHOLE_MARKER = {"overflow": "visible", "markerUnits": "userSpaceOnUse"}
REFERENCES = ("href", "clip-path", *MARKERS)
NUMBER = re.compile(r"-?\d+\.\d+")
NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
VARIABLES = {colour: f"var(--{name})" for name, colour in COLOURS.items()}
OF_THE_PAGE = ("font-family", "stroke-dashoffset")  # the page has its own, or it changes nothing


class Ids:
    """New ids of a page."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self) -> str:
        """An id that no other figure has."""
        return f"s{next(self._numbers)}"


def as_svg(figure: Figure, label: str, ids: Ids) -> str:
    """The figure as an element <svg> for a page, with a label for those who do not see it."""
    root = fromstring(_drawn(figure))  # noqa: S314 - matplotlib's own text
    _gather_points(root)
    referenced = set(re.findall(r"#(\w+)", " ".join(_references(root))))
    new = {old: ids.new() for old in sorted(referenced)}
    inside = "".join(_written(child, new) for child in root)
    box = root.get("viewBox")
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}">{inside}</svg>'


@in_style
def _drawn(figure: Figure) -> str:
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata=NO_METADATA)
    return file.getvalue()


def _gather_points(root: Element) -> None:
    """Make one path of many points with the same marker: a page of thousands opens faster."""
    for number, group in enumerate(list(root.iter(f"{SVG}g"))):
        points = list(group)
        looks = {(each.tag, each.get(HREF), each.get("style")) for each in points}
        if len(points) < MANY or len(looks) > 1 or points[0].tag != f"{SVG}use":
            continue
        places = [f"{each.attrib.pop('x')} {each.attrib.pop('y')}" for each in points]
        marker = Element(f"{SVG}marker", id=f"points{number}", **WHOLE_MARKER)
        marker.append(points[0])
        at_each = dict.fromkeys(MARKERS, f"url(#points{number})")
        path = Element(f"{SVG}path", {"d": "M" + "L".join(places), "fill": "none", **at_each})
        group[:] = [marker, path]


def _references(root: Element) -> list[str]:
    """The values of attributes that name an id."""
    return [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if NAMESPACE.sub("", name) in REFERENCES
    ]


def _written(element: Element, ids: dict[str, str]) -> str:
    """An element as text, without what changes nothing."""
    tag = NAMESPACE.sub("", element.tag)
    if tag == "style":
        return ""
    attributes = _attributes(element, ids)
    inside = escape(element.text or "", quote=False) if tag in ("text", "tspan") else ""
    inside += "".join(_written(child, ids) for child in element)
    if tag in ("g", "defs") and not inside:
        return ""
    if tag == "g" and not attributes:
        return inside
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>"


def _attributes(element: Element, ids: dict[str, str]) -> dict[str, str]:
    """The attributes of an element, those of its style among them."""
    found = {}
    for name, value in element.attrib.items():
        name = NAMESPACE.sub("", name)
        if name == "style":
            found |= _styled(value)
        elif name == "id":
            found |= {"id": ids[value]} if value in ids else {}
        elif name in REFERENCES:
            found[name] = re.sub(r"#(\w+)", lambda match: f"#{ids[match[1]]}", value)
        elif name != "transform" or not value.startswith("rotate(-0 "):
            found[name] = NUMBER.sub(
                lambda match: f"{float(match[0]):.1f}", " ".join(value.split())
            )
    return found


def _styled(style: str) -> dict[str, str]:
    """The declarations of a style, with colours of the page."""
    pairs = (each.partition(":")[::2] for each in style.split(";") if ":" in each)
    declared = {name.strip(): value.strip() for name, value in pairs}
    return {
        name: VARIABLES.get(value, value)
        for name, value in declared.items()
        if name not in OF_THE_PAGE
    }
