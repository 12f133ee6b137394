"""Weights of PyTorch in files that are spoiled: an InputError, or weights; no code is executed."""

import io
import json
import os
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipschitz.support.errors import InputError
from tests.fuzz.cases import cases, edited, loaded, spoiled

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")
from lipschitz.torch_backend.readers import state_dict  # noqa: E402

pytestmark = [
    pytest.mark.extra,
    pytest.mark.filterwarnings("ignore"),  # PyTorch's, of odd tensors and of old formats
]


def module():
    return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2)).eval()


def saved(values, **options):
    file = io.BytesIO()
    torch.save(values, file, **options)
    return file.getvalue()


WEIGHTS = module().state_dict()
ARCHIVES = [saved(WEIGHTS), saved({"epoch": 3, "state_dict": dict(WEIGHTS)})]
LEGACY = saved(WEIGHTS, _use_new_zipfile_serialization=False)
SAFETENSORS = safetensors.save(WEIGHTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The current folder, where code that is executed would leave a file."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def check(folder, name, content):
    """Read the file: whatever it holds, the network still computes, and nothing was executed."""
    (folder / name).write_bytes(content)
    net = module()
    loaded(state_dict.load_into, net, folder / name)
    outputs = net(torch.ones(3, 4))
    assert (outputs.shape, outputs.dtype) == ((3, 2), torch.float32)
    (folder / name).unlink()
    assert not list(folder.iterdir())


@cases()
@given(spoiled([*ARCHIVES, LEGACY]))
def test_spoiled_bytes(folder, content):
    check(folder, "w.pth", content)


def repacked(archive, content):
    """An archive of PyTorch with another pickle in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.endswith("data.pkl") else old.read(name))
    return packed.getvalue()


def pickle_of(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return file.read(next(name for name in file.namelist() if name.endswith("data.pkl")))


@cases(120)
@given(content=edited([pickle_of(archive) for archive in ARCHIVES]))
def test_spoiled_pickles_in_whole_archives(folder, content):
    """The check of an archive's sums does not come first."""
    check(folder, "w.pth", repacked(ARCHIVES[0], content))


@cases()
@given(spoiled([SAFETENSORS]))
def test_spoiled_safetensors(folder, content):
    check(folder, "w.safetensors", content)


SIZES = st.sampled_from([-1, 0, 1, 2, 4, 8, 32, 2**31, 2**63, 2**70, 0.5, None, "2", []])
ODD = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F64", "F16", "BF16", "F8_E4M3", "I64", "BOOL", "C64", "", 1]),
        "shape": st.lists(SIZES, max_size=3),
        "data_offsets": st.lists(SIZES, max_size=3),
        "more": SIZES,
    },
)


@cases()
@given(
    places=st.dictionaries(st.sampled_from([*WEIGHTS, "__metadata__", "", "a\nb"]), ODD, min_size=1)
)
def test_odd_tensors_in_safetensors(folder, places):
    size = 8 + int.from_bytes(SAFETENSORS[:8], "little")
    header = json.loads(SAFETENSORS[8:size])
    for name, odd in places.items():
        header[name] = header.get(name, {}) | odd
    text = json.dumps(header).encode()
    check(folder, "w.safetensors", len(text).to_bytes(8, "little") + text + SAFETENSORS[size:])


TENSORS = {
    "sparse": lambda ones: ones.to_sparse(),
    "sparse rows": lambda ones: ones.to_sparse_csr(),
    "without values": lambda ones: ones.to("meta"),
    "quantized": lambda ones: torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8),
    "bits": lambda ones: ones.to(torch.uint8).view(torch.bits8),
    "nested": lambda ones: torch.nested.nested_tensor(list(ones)),
    "complex": lambda ones: ones.to(torch.complex64),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_no_weights_are_refused(folder, name):
    odd = TENSORS[name](torch.ones(2, 4))
    (folder / "w.pth").write_bytes(saved(WEIGHTS | {"0.weight": odd}))
    with pytest.raises(InputError, match=r"w\.pth") as refusal:
        state_dict.load_into(module(), folder / "w.pth")
    assert len(str(refusal.value).splitlines()) == 1
    (folder / "w.pth").unlink()


@pytest.mark.parametrize("versions", [5, {"": 5}, {"1": {"version": "x"}}])
def test_odd_versions_of_layers(folder, versions):
    weights = WEIGHTS.copy()
    weights._metadata = versions
    check(folder, "w.pth", saved(weights))


class Call:
    """Is called with these arguments if it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


WRITE = "open('executed', 'w')"
EVIL = {
    "system": Call(os.system, "touch executed"),
    "popen": Call(os.popen, "touch executed"),
    "mkdir": Call(os.mkdir, "executed"),
    "open": Call(open, "executed", "w"),
    "exec": Call(exec, WRITE),
    "eval": Call(eval, WRITE),
    "another file": Call(torch.load, "executed", None, pickle.Unpickler),
    "compiled": Call(torch.jit.load, "executed"),
}
PLACES = {
    "alone": lambda evil: evil,
    "as a weight": lambda evil: WEIGHTS | {"0.weight": evil},
    "as a name": lambda evil: {(evil,): WEIGHTS["0.weight"]},
    "beside the weights": lambda evil: {"state_dict": WEIGHTS, "optimizer": [evil]},
}


def kept(values):
    """As each format keeps it: in an archive, as PyTorch's older files, as a mere pickle."""
    yield saved(values)
    yield saved(values, _use_new_zipfile_serialization=False)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.dumps(values, protocol)
        yield repacked(ARCHIVES[0], pickle.dumps(values, protocol))


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("place", PLACES)
def test_code_is_refused_and_not_executed(folder, evil, place):
    for content in kept(PLACES[place](EVIL[evil])):
        (folder / "w.pth").write_bytes(content)
        with pytest.raises(InputError, match=r"w\.pth is no state dict: ") as refusal:
            state_dict.load_into(module(), folder / "w.pth")
        assert len(str(refusal.value).splitlines()) == 1
        assert [path.name for path in folder.iterdir()] == ["w.pth"]
        (folder / "w.pth").unlink()


@cases()
@given(edited([next(kept({"0.weight": evil})) for evil in EVIL.values()]))
def test_spoiled_code_is_not_executed(folder, content):
    check(folder, "w.pth", content)
