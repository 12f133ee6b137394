"""The contents of .mat files: written whole, and checked before they are believed."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from lipschitz.file_name import FileName
from lipschitz.results import matfile, matlab_format
from lipschitz.results.attacked import Attacked
from lipschitz.results.matfile import FormatError
from tests.helpers import GOLDEN, peak_memory

NAME = "1024_50_0_7_6_least_relu_order1.mat"
FILE = GOLDEN / "l2" / "mnist_normal" / NAME


def test_a_file_of_another_name_is_refused(tmp_path):
    (tmp_path / "results.mat").write_bytes(FILE.read_bytes())
    with pytest.raises(FormatError, match="its name is not NSAMP_NITERS_ID_TRUE_TARGET"):
        matfile.load(tmp_path / "results.mat")


def test_a_file_of_2018_is_read():
    record = matfile.load(FILE)
    assert record.name == FileName.parse(NAME)
    assert record.model == "mnist_normal"
    assert record.g_x0 == pytest.approx(30.82311)
    assert record.maxima["2"].shape == (50,)
    assert record.maxima["2"].max() == pytest.approx(9.19051552)
    assert record.maxima["1"].max() == pytest.approx(144.17196655)
    assert record.maxima["i"].max() == pytest.approx(2.8189714)


def test_a_second_order_file_of_2018_is_read():
    record = matfile.load(GOLDEN / "order2/mnist_normal/100_20_0_7_6_least_tanh_order2.mat")
    assert record.maxima.keys() == {"2"}
    assert record.maxima["2"][:2] == pytest.approx([1.42622888, 1.44548357])  # stored negative
    assert record.g_x0_grad_2_norm == pytest.approx(1.6282631)


def test_slopes_take_the_place_of_gradients():
    folder = GOLDEN / "slope" / "mnist_2-layer"
    path = folder / "1024_100_0_7_6_least_relu_order1.mat"
    np.testing.assert_array_equal(
        matfile.load(path, slope=True).maxima["i"], loadmat(path)["Li_max"].ravel()
    )


def test_what_is_saved_is_read_back_and_nothing_else_is_left(tmp_path):
    contents = {k: v for k, v in loadmat(FILE).items() if not k.startswith("__")}
    path = tmp_path / "mnist_normal" / "l1" / NAME
    matfile.save(path, contents)
    assert [p.name for p in path.parent.iterdir()] == [NAME]
    record = matfile.load(path)
    assert record.model == "mnist_normal-l1"
    np.testing.assert_array_equal(record.maxima["2"], matfile.load(FILE).maxima["2"])


ATTACKED = Attacked(
    {"1": 3.5, "2": 1.25, "i": np.inf},
    {"1": True, "2": False, "i": False},
    settings={"steps": 100, "starts": 3},
)


def test_an_attack_is_added_to_a_file_of_2018_which_is_else_the_same(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(FILE.read_bytes())
    assert matfile.attacked(path) is None
    matfile.add(path, matfile.attack(ATTACKED))
    assert matfile.attacked(path) == matfile.load(path).attack == ATTACKED
    before, after = loadmat(FILE), loadmat(path)
    assert before.keys() < after.keys()
    for key in before.keys() - {"__header__"}:
        assert repr(before[key]) == repr(after[key])


@pytest.mark.parametrize(
    "spoiled",
    [{"attack_L1": -1.0}, {"attack_L2": np.nan}, {"attack_Li": "far"}, {"attack_settings": "no"}],
)
def test_a_spoiled_attack_is_a_format_error(tmp_path, spoiled):
    path = tmp_path / NAME
    path.write_bytes(FILE.read_bytes())
    matfile.add(path, matfile.attack(ATTACKED) | spoiled)
    for read in (matfile.load, matfile.attacked):
        with pytest.raises(FormatError):
            read(path)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / NAME
    matfile.save(path, {"x": 1})
    with pytest.raises(TypeError):
        matfile.save(path, {"x": None})
    assert loadmat(path)["x"].item() == 1
    assert [p.name for p in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize(
    "spoil",
    [
        {"G2_max": np.array([1.0, np.nan])},
        {"G2_max": np.array([])},
        {"G2_max": np.array([-1.0, 1.0])},
        {"g_x0": np.array([1.0, 2.0])},
        {"g_x0": "text"},
        {"id": np.inf},
        {"id": -1},
        {"true_label": 1.5},
        {"target_label": 1e300},
        {"g_x0": 0},
        {"g_x0": 1 + 1j},
        {"G2_max": np.array(["a"], object)},
        {"info": "../least"},
        {"info": "least\n[STATS][L0] info = least, least_clever_L2 = 9"},
        {"args": {"dataset": "mnist", "model_name": "normal\x1b[2J"}},
    ],
)
def test_contents_are_checked(tmp_path, spoil):
    contents = {k: v for k, v in loadmat(FILE).items() if not k.startswith("__")}
    matfile.save(tmp_path / NAME, contents | spoil)
    with pytest.raises(FormatError):
        matfile.load(tmp_path / NAME)


@pytest.mark.parametrize("length", range(0, 4000, 250))
def test_a_truncated_file_is_a_format_error(tmp_path, length):
    (tmp_path / NAME).write_bytes(FILE.read_bytes()[:length])
    with pytest.raises(FormatError):
        matfile.load(tmp_path / NAME)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    "value", [1.5, 1 + 2j, "text", "", [], np.zeros((2, 0, 3)), {"a": {"b": "c"}}, [["a", 3]]]
)
def test_what_scipy_writes_passes_the_check_unchanged(tmp_path, value, compressed):
    savemat(tmp_path / "x.mat", {"x": value}, do_compression=compressed)
    content = (tmp_path / "x.mat").read_bytes()
    found = loadmat(io.BytesIO(matlab_format.uncompressed(content)))["x"]
    np.testing.assert_equal(found, loadmat(tmp_path / "x.mat")["x"])


def array(array_class, dimensions, *members, flags=0):
    """An array of MATLAB 5, big-endian, of these dimensions and elements."""
    packed = np.array(dimensions, ">i4").tobytes()
    body = b"".join(
        element(*each)
        for each in [(6, bytes([0, 0, flags, array_class, 0, 0, 0, 0])), (5, packed), (1, b"x")]
    )
    return struct.pack(">II", 14, len(body + b"".join(members))) + body + b"".join(members)


def element(kind, data):
    return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)


HEADER = b"MATLAB 5.0".ljust(124) + b"\1\0MI"
NUMBER = element(9, struct.pack(">d", 1.5))
FIELDS = element(5, struct.pack(">i", 2)) + element(1, b"a\0b\0")


def nested(depth):
    return array(1, (1, 1), nested(depth - 1)) if depth else array(6, (1, 1), NUMBER)


def test_a_file_of_a_big_endian_machine_is_read():
    content = matlab_format.uncompressed(HEADER + array(6, (1, 1), NUMBER))
    assert loadmat(io.BytesIO(content))["x"].item() == 1.5


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x" * 128 + array(6, (1, 1), NUMBER), "no header"),
        (HEADER + element(9, bytes(8)), "of type 9 is in place of an array"),
        (HEADER + array(6, (9, 1), NUMBER), "of 9 numbers has 8 B"),
        (HEADER + array(6, (1, 1), NUMBER, flags=8), "cut off"),  # complex, one part there
        (HEADER + array(6, (2**31 - 1, 0), element(9, b"")), "absurd dimensions"),
        (HEADER + array(6, (-1, -1), NUMBER), "absurd dimensions"),
        (HEADER + array(6, (1,) * 33, NUMBER), "lacks its dimensions"),
        (HEADER + array(4, (1, 2**25), element(16, b"")), "has 0 B"),
        (HEADER + array(1, (5000, 5000), nested(0)), "cut off"),
        (HEADER + array(2, (2**20, 1), FIELDS, nested(0)), "cut off"),
        (HEADER + array(2, (1, 1), element(5, bytes(4)), element(1, b"")), "names of 0 B"),
        (HEADER + nested(20), "more than 8 deep"),
        (HEADER + struct.pack(">II", 14, 2**31) + bytes(99), "declares 2147483648 B"),
        (HEADER + element(15, zlib.compress(bytes(2**27))), "more than 67108864 B"),
        (HEADER + element(15, zlib.compress(nested(0))[:-9]), "cut off"),
        *((HEADER + array(kind, (1, 1), NUMBER), f"class {kind}") for kind in (0, 3, 5, 16, 17)),
    ],
)
def test_sizes_and_classes_are_checked_before_scipy_makes_arrays(monkeypatch, content, said):
    before = peak_memory()
    with pytest.raises(ValueError, match=said):
        matlab_format.uncompressed(content)
    assert peak_memory() - before < 3 * matlab_format.LARGEST


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / NAME)
    (tmp_path / "folder" / NAME).mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / NAME).symlink_to("nowhere")
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / NAME).symlink_to("/dev/zero")
    for path in tmp_path.rglob(NAME):
        with pytest.raises(FormatError, match=r"no regular file|No such file"):
            matfile.load(path)


def test_a_file_of_absurd_size_is_refused_unread(tmp_path):
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FormatError, match="1099511627776 B, more than"):
        matfile.load(tmp_path / NAME)


@pytest.mark.parametrize(
    "spoil",
    [
        {"non_finite": np.array([1e38, 1e38])},
        {"non_finite": np.array([-1.0])},
        {"G2_max": np.array([1.0, 1e200])},
        {"g_x0": 1e300},
    ],
)
def test_numbers_that_sampling_cannot_give_are_refused(tmp_path, spoil):
    contents = {k: v for k, v in loadmat(FILE).items() if not k.startswith("__")}
    matfile.save(tmp_path / NAME, contents | spoil)
    with pytest.raises(FormatError):
        matfile.load(tmp_path / NAME)


def test_slopes_that_are_all_zero_are_slopes_where_the_file_says_so(tmp_path):
    """As of a network that is dead around the image."""
    path = GOLDEN / "slope" / "mnist_2-layer" / "1024_100_0_7_6_least_relu_order1.mat"
    contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    dead = {key: np.zeros(100) for key in matfile.SLOPE_KEYS.values()}
    matfile.save(tmp_path / path.name, contents | dead)
    assert not matfile.load(tmp_path / path.name, slope=True).maxima["2"].any()


def test_a_name_that_is_no_text_is_escaped(tmp_path):
    """Names of files may hold any bytes."""
    name = os.fsdecode(b"b\xffd")
    matfile.save(tmp_path / "x.mat", {"path": name, "args": {"save": name}})
    contents = loadmat(tmp_path / "x.mat", squeeze_me=True)
    assert contents["path"] == contents["args"]["save"] == r"b\udcffd"


def test_a_picture_stays_in_its_file_until_it_is_asked_for(attacked_folder):
    path = sorted(attacked_folder.iterdir())[0]
    record = matfile.load(path)
    assert record.picture == path
    np.testing.assert_array_equal(matfile.picture_of(record), np.full((28, 28), 255))
    path.unlink()
    assert matfile.picture_of(record) is None
