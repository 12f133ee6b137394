"""Weights in files of PyTorch: what is read, and what is refused in a line."""

import pytest

from lipschitz.support.errors import InputError

torch = pytest.importorskip("torch")
from lipschitz.torch_backend.readers import state_dict  # noqa: E402

pytestmark = pytest.mark.extra


def module(outputs=3):
    return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU(), torch.nn.Linear(2, outputs))


class Evil:
    """Writes a file if it is unpickled."""

    def __reduce__(self):
        return (open, ("evil", "w"))


SAVED = {
    "weights": lambda weights: weights,
    "a checkpoint": lambda weights: {"epoch": 3, "state_dict": weights},
    "of a part": lambda weights: (
        {"x.y": torch.ones(1)} | {f"net.{n}": w for n, w in weights.items()}
    ),
    "of several devices": lambda weights: {f"module.{name}": x for name, x in weights.items()},
}


@pytest.mark.parametrize("kept", SAVED.values(), ids=SAVED)
def test_weights_are_read(tmp_path, kept):
    trained, other = module(), module()
    torch.save(kept(trained.state_dict()), tmp_path / "w.pth")
    state_dict.load_into(other, tmp_path / "w.pth")
    x = torch.ones(1, 4)
    assert torch.equal(other(x), trained(x))


def test_safetensors_are_read(tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    trained, other = module(), module()
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    state_dict.load_into(other, tmp_path / "w.safetensors")
    assert torch.equal(other[0].weight, trained[0].weight)


REFUSED = {
    "a module": (lambda: module(), "w.pth is no state dict: "),
    "code": (lambda: {"0.weight": Evil()}, "w.pth is no state dict: "),
    "other shapes": (lambda: module(5).state_dict(), r"2.weight has the shape \(5, 2\), the netw"),
    "fewer": (
        lambda: module()[:1].state_dict(),
        "lacks 2.weight, 2.bias: it is of another network",
    ),
    "more": (lambda: module().state_dict() | {"extra": torch.ones(1)}, "has extra, which the net"),
    "numbers": (lambda: {"lr": 0.1}, "is no state dict: save one with torch.save"),
    "a list": (lambda: [1], "is no state dict: save one with torch.save"),
}


@pytest.mark.parametrize(("saved", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_its_weights_is_refused_in_a_line(tmp_path, monkeypatch, saved, said):
    monkeypatch.chdir(tmp_path)
    torch.save(saved(), "w.pth")
    with pytest.raises(InputError, match=said) as refusal:
        state_dict.load_into(module(), tmp_path / "w.pth")
    assert len(str(refusal.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(50)])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_files_are_refused_in_a_line(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as refusal:
        state_dict.load_into(module(), tmp_path / name)
    assert len(str(refusal.value).splitlines()) == 1
