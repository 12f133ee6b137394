"""Spoiled files: what damage, or an attacker, makes of whole ones."""

import os
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from lipschitz.support.errors import InputError

# what hypothesis keeps between runs would be left in the clone's folder
HOME = tempfile.TemporaryDirectory(prefix="hypothesis-")
set_hypothesis_home_dir(HOME.name)

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))  # `make test-slow` takes more


def cases(number=60):
    """So many cases, the same on every machine; a test's folder may serve them all."""
    return settings(
        max_examples=number * TIMES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def loaded(reader, *args, refusal=InputError):
    """What the reader gives, or None if it refuses, which it does in one line."""
    try:
        return reader(*args)
    except refusal as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    return None


EXTREMES = [b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80"]


def truncate(content, at, data):
    return content[:at]


def flip(content, at, data):
    return content[:at] + bytes([content[at] ^ (data[0] or 1)]) + content[at + 1 :]


def overwrite(content, at, data):
    return content[:at] + data + content[at + len(data) :]


def make_extreme(content, at, data):
    return overwrite(content, at, EXTREMES[data[0] % len(EXTREMES)])


def insert(content, at, data):
    return content[:at] + data + content[at:]


def delete(content, at, data):
    return content[:at] + content[at + 1 + data[0] :]


def duplicate(content, at, data):
    return content[:at] + content[at : at + 1 + data[0]] + content[at:]


def concatenate(content, at, data):
    return content + content[at:]


EDITS = [truncate, flip, overwrite, make_extreme, insert, delete, duplicate, concatenate]


@st.composite
def edited(draw, seeds):
    """One of the seeds after one to four edits, mostly one."""
    content = draw(st.sampled_from(seeds))
    edit = st.tuples(
        st.sampled_from(EDITS), st.integers(0, 2**32), st.binary(min_size=1, max_size=8)
    )
    for change, place, data in draw(st.lists(edit, min_size=1, max_size=4)):
        if content:
            content = change(content, place % len(content), data)
    return content


def spoiled(seeds):
    """Bytes that are nearly those of a seed, or have nothing to do with it."""
    return st.one_of(edited(seeds), edited(seeds), edited(seeds), st.binary(max_size=2000))
