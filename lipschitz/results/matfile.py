"""The .mat files between sampling and scoring: what they hold, how they are written and read."""

import contextlib
import io
import json
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from sys import intern

import numpy as np
import scipy

from lipschitz import settings
from lipschitz.file_name import INFO, NUMBER, FileName
from lipschitz.network import LOGITS, NOT_LOGITS, Box, kind_of_outputs
from lipschitz.results import matlab_format, picture
from lipschitz.results.attacked import Attacked
from lipschitz.settings import Limits, Provenance
from lipschitz.support import regular_file
from lipschitz.support.atomic import replacing
from lipschitz.support.errors import LONGEST, first_line
from lipschitz.support.text import printable

GRADIENT_KEYS = {"2": "G2_max", "1": "G1_max", "i": "Gi_max"}
SLOPE_KEYS = {"2": "L2_max", "1": "L1_max", "i": "Li_max"}
CURVATURE_KEYS = {"2": "H2_max"}  # of second order
NON_FINITE_KEY = "non_finite"  # samples left out of each maximum
SETTINGS_KEY = "settings"  # what the numbers come from, as JSON (lipschitz.settings)
OUTPUTS_KEY = "outputs"  # what the network's outputs look like (lipschitz.network)
DOUBTS_KEY = "doubts"  # what sampling found suspicious in the network, a line each
OPTIONS_OF_2018 = ("sample_norm", "transform", "compute_slope", "seed")
WRONG_KEY = "wrong_images"  # ids of the run's images without a score: the network gets them wrong
IMAGE_NAME_KEY = "image_name"  # of the file that the image comes from
CLASS_NAME_KEYS = ("true_name", "target_name")  # of the classes
PICTURE_KEY = "picture"  # the image for people to look at (lipschitz.results.picture)
SHAPE_KEY = "input_shape"
VERSION_KEY = "version"  # of the toolkit that sampled
NORMS = ("1", "2", "i")
FARTHEST_KEYS = {norm: f"farthest_L{norm}" for norm in NORMS}  # Limits in lipschitz.settings
SAMPLED_KEYS = {norm: f"sampled_L{norm}" for norm in NORMS}
ATTACK_KEYS = {norm: f"attack_L{norm}" for norm in NORMS}  # Attacked in lipschitz.results
PREDICTED_KEYS = {norm: f"attack_predicted_L{norm}" for norm in NORMS}
ATTACK_SETTINGS_KEY = "attack_settings"  # as JSON

LARGEST_NUMBER = float(np.finfo(np.float32).max)  # that sampling can save
LARGEST_COUNT = 2**53  # samples
MOST_DOUBTS = 10
MOST_DIMENSIONS = 8  # of an input

RECENT = 8  # texts and lists that one object stands for: files of an image follow each other

LONGEST_NAME = 128  # characters
MODEL = r"\w[\w.,:+-]{0,127}"


class FormatError(Exception):
    """A file is not one that sampling wrote; the message says why."""


class NoSlopesError(FormatError):
    """The file has no slopes to score."""


def save(path: Path, contents: dict[str, object]) -> None:
    """Write the file whole or not at all."""
    with replacing(path) as unfinished:
        scipy.io.savemat(unfinished, _storable(contents), appendmat=False)


def add(path: Path, contents: dict[str, object]) -> None:
    """Add variables to a file, or replace them. Raises FormatError if it cannot be read."""
    stored = _contents(path)
    own = {name: value for name, value in stored.items() if not name.startswith("__")}
    empty = [
        name
        for name, value in own.items()
        if value.dtype == object and value.size == 1 and value.item() is None
    ]
    save(path, own | {name: {} for name in empty} | contents)


def _storable(value: object) -> object:
    """The contents with text in UTF-8: bytes in a file's name that are none are escaped."""
    if isinstance(value, dict):
        return {key: _storable(each) for key, each in value.items()}
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def limits(limits: Limits) -> dict[str, float]:
    """The variables of a file that hold an image's limits."""
    return {
        **{key: limits.farthest[norm] for norm, key in FARTHEST_KEYS.items()},
        **{key: limits.sampled[norm] for norm, key in SAMPLED_KEYS.items()},
    }


def description(
    x_0: np.ndarray, box: Box, image_name: str, true_name: str, target_name: str
) -> dict[str, object]:
    """The variables of a file that tell people what its image and classes are."""
    shown = picture.of_image(x_0, box)
    names = dict(zip(CLASS_NAME_KEYS, (true_name, target_name), strict=True))
    return {
        SHAPE_KEY: np.array(x_0.shape, np.int32),
        IMAGE_NAME_KEY: image_name,
        **names,
        **({} if shown is None else {PICTURE_KEY: shown}),
    }


def attack(attacked: Attacked) -> dict[str, object]:
    """The variables of a file that hold the result of an attack."""
    return {
        **{key: attacked.distances[norm] for norm, key in ATTACK_KEYS.items()},
        **{key: int(attacked.predicted[norm]) for norm, key in PREDICTED_KEYS.items()},
        ATTACK_SETTINGS_KEY: json.dumps(dict(attacked.settings), sort_keys=True),
    }


def attacked(path: Path) -> Attacked | None:
    """The result of the attack that a file holds, if it does.

    Raises FormatError if the file cannot be read.
    """
    try:
        return _attacked(_contents(path))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise FormatError(f"its attack cannot be read: {error}") from error


def provenance(path: Path) -> Provenance:
    """What the numbers of a file come from (lipschitz.settings).

    Raises FormatError if the file cannot be read or does not say.
    """
    found = _provenance(_contents(path))
    if found is None:
        raise FormatError("it does not say which network it is of, as files of 2018 do not")
    return found


def difference(path: Path, wanted: Provenance) -> str:
    """In what a file comes from something else, for people to read; empty if it does not."""
    try:
        return settings.difference(provenance(path), wanted)
    except FormatError as error:
        return str(error)


@dataclass(frozen=True)
class Record:
    """The contents of a file that scoring needs.

    Many files are scored together: what they share is one object, and pictures stay in the files.
    """

    path: Path
    name: FileName
    model: str  # DATASET_MODEL, then -SETTINGS if there are any
    g_x0: float
    g_x0_grad_2_norm: float | None  # of second order
    num_labels: int  # of the network; 0 if the file does not say
    non_finite: int  # samples that the maxima leave out
    maxima: dict[str, np.ndarray]  # by norm "2", "1", "i": (Niters,) float64; order 2: "2" alone
    outputs: str  # what the network's outputs look like: a kind of lipschitz.network
    doubts: tuple[str, ...]  # about the network, when it was sampled
    provenance: Provenance  # of files of 2018 some options alone
    misnamed: bool  # whether the file's name tells something else than its contents, which count
    # None in files of 2018 and of earlier versions
    limits: Limits | None = None
    wrong_images: frozenset[int] | None = None  # of the run: the network gets them wrong
    attack: Attacked | None = None
    dataset: str = ""  # what the run called the data set and the network
    network: str = ""
    image_name: str = ""  # of the file that the image comes from, if it has one
    true_name: str = ""  # of the classes, if they have names
    target_name: str = ""
    # (H, W) or (H, W, 3), uint8: the image to look at, or the file that holds it (`picture_of`)
    picture: np.ndarray | Path | None = None
    input_shape: tuple[int, ...] | None = None
    version: str = ""  # of the toolkit that sampled


def load(path: Path, slope: bool = False) -> Record:
    """Read a file and check it; the maxima are those of gradients, of slopes, of |curvature|.

    Raises FormatError if it cannot be read or is not a file of the sampler.
    """
    name = named = _name(path)
    if name.order not in (1, 2):
        raise FormatError(f"its order is {name.order}: there are 1 and 2")
    if slope and name.order == 2:
        raise NoSlopesError("it holds no slopes")
    first_order = SLOPE_KEYS if slope else GRADIENT_KEYS
    keys = first_order if name.order == 1 else CURVATURE_KEYS
    contents = _contents(path)
    try:
        name = name._replace(
            image_id=_count(contents, "id"),
            true_label=_count(contents, "true_label"),
            target_label=_count(contents, "target_label"),
            info=_word(contents["info"], INFO),
        )
        maxima = {norm: _maxima(contents, key) for norm, key in keys.items()}
        if slope and not any(x.any() for x in maxima.values()) and not _sampled_slopes(contents):
            raise NoSlopesError("it holds no slopes")
        g_x0 = _scalar(contents, "g_x0")
        if g_x0 <= 0:
            raise FormatError("its g_x0 is not above 0: the image was not classified correctly")
        return Record(
            path=path,
            name=name,
            model=intern(_model(path, contents)),
            g_x0=g_x0,
            g_x0_grad_2_norm=_norm(contents, "g_x0_grad_2_norm") if name.order == 2 else None,
            num_labels=np.size(contents.get("pred", ())),
            non_finite=_left_out(contents),
            maxima=maxima,
            misnamed=name != named,
            outputs=_outputs(contents),
            doubts=_doubts(contents),
            provenance=_provenance(contents) or _options_of_2018(contents),
            limits=_limits(contents),
            wrong_images=_wrong_images(contents),
            attack=_attacked(contents),
            **_called(path, contents),
            **_described(path, contents),
        )
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise FormatError(f"it lacks what sampling writes: {error}") from error


def picture_of(record: Record) -> np.ndarray | None:
    """The image of a record to look at; None if it has none, or its file cannot be read again."""
    if not isinstance(record.picture, Path):
        return record.picture
    try:
        return _picture(_contents(record.picture))
    except FormatError:
        return None


def _name(path: Path) -> FileName:
    try:
        return FileName.parse(path.name)
    except ValueError as error:
        raise FormatError(str(error)) from error


def _contents(path: Path) -> dict[str, np.ndarray]:
    """The variables of the file, by name. Raises FormatError."""
    try:
        content = matlab_format.uncompressed(regular_file.read(path, matlab_format.LARGEST))
        with warnings.catch_warnings():  # a variable that is there twice, say
            warnings.simplefilter("error", scipy.io.matlab.MatReadWarning)
            return scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # scipy's reader raises what its parsing stumbles over
        raise FormatError(f"it is not a whole MATLAB file ({first_line(error)})") from error


def _provenance(contents: dict[str, np.ndarray]) -> Provenance | None:
    """What the numbers come from; None if the file does not say. Raises FormatError."""
    if SETTINGS_KEY not in contents:
        return None
    return _json(contents, SETTINGS_KEY)


def _options_of_2018(contents: dict[str, np.ndarray]) -> Provenance:
    """The settings among the options that a file of 2018 keeps."""
    found = {}
    for name in OPTIONS_OF_2018:
        with contextlib.suppress(KeyError, IndexError, ValueError, TypeError):
            value = np.ravel(contents["args"][0, 0][name])[:1].tolist()
            found[name] = value[0] if value else ""
    return {name: value for name, value in found.items() if isinstance(value, str | int)}


def _limits(contents: dict[str, np.ndarray]) -> Limits | None:
    """How far a score can reach, if the file says so."""
    if FARTHEST_KEYS["2"] not in contents:
        return None
    sampled = {norm: _norm(contents, key) for norm, key in SAMPLED_KEYS.items()}
    if not all(sampled.values()):
        raise ValueError("nothing was sampled: a radius is 0")
    return Limits({norm: _norm(contents, key) for norm, key in FARTHEST_KEYS.items()}, sampled)


def _attacked(contents: dict[str, np.ndarray]) -> Attacked | None:
    """The result of the attack, if the file holds one."""
    if ATTACK_KEYS["2"] not in contents:
        return None
    distances = {norm: _distance(contents, key) for norm, key in ATTACK_KEYS.items()}
    predicted = {norm: bool(_scalar(contents, key)) for norm, key in PREDICTED_KEYS.items()}
    settings = _json(contents, ATTACK_SETTINGS_KEY)
    return Attacked(distances, predicted, settings=settings)


def _distance(contents: dict[str, np.ndarray], key: str) -> float:
    """A distance; it may be infinite."""
    values = np.ravel(contents[key])
    if values.dtype.kind == "f" and values.size == 1 and values[0] == np.inf:
        return np.inf
    return _norm(contents, key)


def _json(contents: dict[str, np.ndarray], key: str) -> dict[str, object]:
    """The object that a variable holds as JSON. Raises FormatError."""
    try:
        return _object(str(np.ravel(contents[key])[0]))
    except (KeyError, ValueError, TypeError, IndexError, RecursionError) as error:
        raise FormatError(f"its {key} cannot be read") from error


@lru_cache(RECENT)
def _object(text: str) -> dict[str, object]:
    """The object of a JSON text; equal texts have the same one."""
    pairs = dict(json.loads(text)).items()
    return {_one(name): _one(value) for name, value in pairs}


def _one(value: object) -> object:
    """The same object for equal texts."""
    return intern(value) if isinstance(value, str) else value


def _outputs(contents: dict[str, np.ndarray]) -> str:
    """The kind of the network's outputs; an older file tells by those of its image."""
    if OUTPUTS_KEY not in contents:
        return kind_of_outputs(_numbers(contents, "pred")[None]) if "pred" in contents else LOGITS
    kind = str(np.ravel(contents[OUTPUTS_KEY])[0])
    if kind != LOGITS and kind not in NOT_LOGITS:
        raise ValueError(f"{OUTPUTS_KEY} is {kind[:80]!r}")
    return kind


def _doubts(contents: dict[str, np.ndarray]) -> tuple[str, ...]:
    """What sampling found suspicious in the network."""
    if DOUBTS_KEY not in contents:
        return ()
    lines = "".join(map(str, np.ravel(contents[DOUBTS_KEY]))).splitlines()
    return tuple(printable(each[:LONGEST]) for each in lines[:MOST_DOUBTS])


def _wrong_images(contents: dict[str, np.ndarray]) -> frozenset[int] | None:
    """The images of the run that have no score, if the file says so."""
    if WRONG_KEY not in contents:
        return None
    ids = _numbers(contents, WRONG_KEY)
    if (ids < 0).any() or (ids % 1).any():
        raise ValueError(f"{WRONG_KEY} does not hold images")
    return _set_of(ids.astype(int).tobytes())


@lru_cache(RECENT)
def _set_of(ids: bytes) -> frozenset[int]:
    """The ids in the bytes of an array; equal arrays have the same set."""
    return frozenset(np.frombuffer(ids, int).tolist())


def _numbers(contents: dict[str, np.ndarray], key: str) -> np.ndarray:
    values = np.ravel(contents[key])
    if values.dtype.kind not in "iuf" or not (np.abs(values) <= LARGEST_NUMBER).all():
        raise ValueError(f"{key} does not hold numbers, or holds some beyond float32")
    return values.astype(np.float64)


def _called(path: Path, contents: dict[str, np.ndarray]) -> dict[str, str]:
    """What the run called the data set and the network, or what the folder tells."""
    names = _names(contents) or path.resolve().parent.name.partition("_")[::2]
    shown = (intern(printable(name)) for name in names)
    return dict(zip(("dataset", "network"), shown, strict=True))


def _described(path: Path, contents: dict[str, np.ndarray]) -> dict[str, object]:
    """What people are shown of the image and its classes."""
    text = {
        key: intern(printable(str(np.ravel(contents[key])[0])[:LONGEST_NAME]))
        for key in (IMAGE_NAME_KEY, *CLASS_NAME_KEYS, VERSION_KEY)
        if np.size(contents.get(key, ()))
    }
    shown = None if _picture(contents) is None else path
    return {**text, PICTURE_KEY: shown, SHAPE_KEY: _shape(contents)}


def _shape(contents: dict[str, np.ndarray]) -> tuple[int, ...] | None:
    """The shape of the network's input, if the file holds one."""
    if not 0 < np.size(contents.get(SHAPE_KEY, ())) <= MOST_DIMENSIONS:
        return None
    shape = _numbers(contents, SHAPE_KEY)
    if (shape < 1).any() or (shape % 1).any():
        raise ValueError(f"{SHAPE_KEY} is no shape")
    return tuple(shape.astype(int).tolist())


def _picture(contents: dict[str, np.ndarray]) -> np.ndarray | None:
    """The picture, if the file holds one that can be shown."""
    found = contents.get(PICTURE_KEY)
    if found is None or not picture.is_picture(found):
        return None
    return found


def _scalar(contents: dict[str, np.ndarray], key: str) -> float:
    values = _numbers(contents, key)
    if values.size != 1:
        raise ValueError(f"{key} is not a number")
    return float(values[0])


def _count(contents: dict[str, np.ndarray], key: str) -> int:
    value = _scalar(contents, key)
    if not value.is_integer() or not re.fullmatch(NUMBER, str(int(value))):
        raise ValueError(f"{key} is {value:g}, no image or class")
    return int(value)


def _norm(contents: dict[str, np.ndarray], key: str) -> float:
    value = _scalar(contents, key)
    if value < 0:
        raise ValueError(f"{key} is {value:g}, no norm")
    return value


def _sampled_slopes(contents: dict[str, np.ndarray]) -> bool:
    """Whether the file was sampled with slopes, even if all are zero."""
    try:
        return bool(np.ravel(contents["args"][0, 0]["compute_slope"])[0])
    except (KeyError, IndexError, ValueError, TypeError):
        return False


def _left_out(contents: dict[str, np.ndarray]) -> int:
    """How many samples the maxima leave out; files of 2018 do not say."""
    counts = _numbers(contents, NON_FINITE_KEY) if NON_FINITE_KEY in contents else np.zeros(1)
    if (counts < 0).any() or counts.sum() > LARGEST_COUNT:
        raise ValueError(f"{NON_FINITE_KEY} does not hold counts")
    return int(counts.sum())


def _word(values: np.ndarray, pattern: str) -> str:
    """The text in an array of one. Raises ValueError if it has another form."""
    word = str(np.ravel(values)[0])
    if not re.fullmatch(pattern, word, re.ASCII):
        raise ValueError(f"{word[:80]!r} is no name")
    return word


def _maxima(contents: dict[str, np.ndarray], key: str) -> np.ndarray:
    values = _numbers(contents, key)
    if key in CURVATURE_KEYS.values():
        values = np.abs(values)  # stored with their sign
    if not values.size or (values < 0).any():
        raise ValueError(f"{key} is not an array of maxima")
    return values


def _model(path: Path, contents: dict[str, np.ndarray]) -> str:
    """The model of the file: its folder, with the folder above if that one is DATASET_MODEL."""
    parent = path.resolve().parent
    if names := _names(contents):
        model = "_".join(names)
        return f"{model}-{parent.name}" if parent.parent.name == model else model
    return parent.name


def _names(contents: dict[str, np.ndarray]) -> tuple[str, str] | None:
    """What the run called the data set and the network; None if the file does not say.

    Options of 2018 have names alone, later ones may have places.
    """
    if (settings := _provenance(contents)) is not None:
        found = settings.get("dataset"), settings.get("model_name")
        if not all(isinstance(name, str) for name in found):
            return None
        return tuple(name[:LONGEST_NAME] for name in found)
    try:
        args = contents["args"][0, 0]
        dataset, model_name = args["dataset"], args["model_name"]
    except (KeyError, IndexError, ValueError, TypeError):
        return None
    return _word(dataset, MODEL), _word(model_name, MODEL)
