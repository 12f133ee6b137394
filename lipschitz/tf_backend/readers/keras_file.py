"""Models in the format of Keras 3: a zip archive of config.json and model.weights.h5."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lipschitz.support import regular_file
from lipschitz.support.errors import first_line
from lipschitz.tf_backend.readers import hdf5, keras_2, keras_config
from lipschitz.tf_backend.reasons import reason

if TYPE_CHECKING:
    from lipschitz.tf_backend.runtime import keras

EXTENSION = ".keras"
CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
LARGEST = {CONFIG: keras_config.LARGEST, METADATA: keras_config.LARGEST, WEIGHTS: hdf5.LARGEST}
LARGEST_RATIO = 8  # of weights to their bytes in the archive; Keras does not compress them


def load(path: Path) -> keras.Model:
    """Read a model. Raises ValueError if it is not one made of Keras's own parts alone."""
    from lipschitz.tf_backend.runtime import keras, own_settings

    try:
        with regular_file.opened(path, hdf5.LARGEST) as file, _archive(file) as archive:
            _check_members(archive)
            config = json.loads(archive.read(CONFIG))
            if isinstance(config, dict):
                config.pop("compile_config", None)  # not read: a loss may be the user's own
            keras_config.check(config)
            if keras_2.wrote(str(json.loads(archive.read(METADATA)).get("keras_version"))):
                keras_2.check_same(config)
            _check_weights(archive)
            stored = archive.getinfo(WEIGHTS).file_size
        with own_settings(), warnings.catch_warnings():
            # of a model in the model that was trained: its optimizer is not needed
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            # of an input in a dict under another name than its own
            warnings.filterwarnings("ignore", "When providing `inputs` as a dict")
            keras_config.check_sizes(config, stored)
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras has no common class for what can be wrong in a file
        raise ValueError(reason(error)) from error


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    if not zipfile.is_zipfile(file):
        raise ValueError(
            "it is cut off, or no file that model.save of Keras 3 wrote: the ending says what a "
            "file is"
        )
    return zipfile.ZipFile(file)


def check_weights(file: BinaryIO) -> None:
    """Raise ValueError if the archive has no weights that can be read."""
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive)
            _check_weights(archive)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(first_line(error)) from error


def _check_members(archive: zipfile.ZipFile) -> None:
    """Refuse files that a model of layers does not need, and files that unpack to absurd sizes."""
    names = archive.namelist()
    if other := set(names) - set(LARGEST):
        raise ValueError(f"it holds {min(other)[:80]!r} beside a model's files")
    if len(names) > len(set(names)):
        raise ValueError("it holds a file twice")
    for name, largest in LARGEST.items():
        if name not in names:
            raise ValueError(f"it holds no {name}")
        member = archive.getinfo(name)
        if member.file_size > largest:
            raise ValueError(f"its {name} has {member.file_size} B, more than {largest} B")
    if member.file_size > LARGEST_RATIO * member.compress_size:
        raise ValueError(
            f"its {WEIGHTS} unpacks from {member.compress_size} B to {member.file_size} B"
        )


def _check_weights(archive: zipfile.ZipFile) -> None:
    with archive.open(WEIGHTS) as packed, tempfile.TemporaryFile() as weights:
        shutil.copyfileobj(packed, weights)
        weights.flush()
        hdf5.check(weights)
