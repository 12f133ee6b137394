"""ImageNet's networks by name, each from a graph with its tensors; the archive; the command."""

import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

import setup_imagenet
from lipschitz.support.errors import InputError
from lipschitz.tf_backend.runtime import tf
from setup_imagenet import ENTRIES, AddModel
from tests.helpers import ROOT, SHARED, peak_memory, run_here
from tests.tf_backend.readers.test_frozen_graph import write_graph

WEIGHTS = {
    classes: np.random.default_rng(0).normal(size=(3, classes)).astype(np.float32)
    for classes in (1000, 1001)
}
VGG_MEAN, ALEXNET_MEAN = np.array([123.68, 116.78, 103.94]), np.array([104.0, 117.0, 124.0])


def by_hand(name, x):
    """What the network of 2018 gets of images in the box, and the factor on dx of each channel."""
    pixels = (0.5 + x.astype(np.float64)) * 255
    if name.startswith("vgg"):
        return pixels - VGG_MEAN, 255
    if name.startswith("densenet"):
        return (pixels - VGG_MEAN) * 0.017, 255 * 0.017
    if name == "alexnet":
        return pixels[..., ::-1] - ALEXNET_MEAN, 255
    return 2 * x.astype(np.float64), 2


def place(name, scale=1.0):
    """Put a small graph with the entry's tensors where its .pb belongs; give its weights."""
    entry = setup_imagenet.ENTRIES[name]
    weights = WEIGHTS[entry.classes]
    write_graph(
        setup_imagenet.MODELS / entry.model_filename,
        entry.input,
        entry.logit,
        entry.prob,
        entry.shape,
        entry.image_size,
        weights,
        scale,
    )
    return weights


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own for each test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEVER_IMAGENET", raising=False)
    monkeypatch.setattr(setup_imagenet, "ENTRIES", dict(ENTRIES))
    monkeypatch.setattr(setup_imagenet, "FAULTY", {})
    return tmp_path


def test_the_entries_are_those_of_2018():
    facts = SHARED / "imagenet_models.json"
    if not facts.is_file():
        pytest.skip("the table of 2018 is not here")
    table = {model.pop("name"): model for model in json.loads(facts.read_text())["models"]}
    assert list(ENTRIES) == list(table)
    for name, model in table.items():
        model.pop("preprocessing")
        assert {fact: getattr(ENTRIES[name], fact) for fact in model} == model


OF_ONE_FAMILY = ("resnet_v2_101", "resnet_v2_152", "vgg_19", "mobilenet_v1_050", "mobilenet_v1_100")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in OF_ONE_FAMILY else [])
        for name in ENTRIES
    ],
)
def test_a_graph_with_the_entrys_tensors_loads_predicts_and_differentiates(name):
    entry = ENTRIES[name]
    scale = 1 if by_hand(name, np.zeros(3))[1] == 2 else 0.01
    weights = place(name, scale)
    network = setup_imagenet.network(name)
    assert (network.image_size, network.num_labels) == (entry.image_size, entry.classes)

    shape = (2, entry.image_size, entry.image_size, 3)
    images = np.random.default_rng(1).uniform(-0.5, 0.5, shape).astype(np.float32)
    images *= np.array([1.0, 0.5, 0.2], np.float32)  # channels that differ in their means, too
    images += np.array([0.0, 0.2, -0.3], np.float32)
    fed, factor = by_hand(name, images)
    expected = np.tanh(scale * fed.mean(axis=(1, 2)) @ weights)
    x = tf.constant(images)
    np.testing.assert_allclose(network.predict(x), expected, rtol=1e-3, atol=1e-5)

    label, other = 3, entry.classes - 1
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = network.predict(x)
        margin = logits[:, label] - logits[:, other]
    slope = (1 - expected**2)[:, None] * weights  # (2, 3, classes)
    along = slope[..., label] - slope[..., other]
    if name == "alexnet":
        along = along[:, ::-1]
    along *= scale * factor / entry.image_size**2
    found = tape.gradient(margin, x)
    np.testing.assert_allclose(
        found, np.broadcast_to(along[:, None, None], shape), rtol=1e-3, atol=1e-4 * abs(along).max()
    )


def test_one_more_network_is_one_call():
    AddModel(
        "my_net",
        model_filename="my_net.pb",
        image_size=12,
        input="images:0",
        logit="my_net/logits:0",
        prob="my_net/softmax:0",
        classes=1000,
    )
    place("my_net")
    network = setup_imagenet.network("my_net")
    assert network.predict(tf.zeros((3, 12, 12, 3))).shape == (3, 1000)


URL = "http://example.org/my.tar.gz"
OF_2018 = {
    "by place": (("", "my.pb", 12, "labels.txt", "images:0", "n/logits:0", "n/prob:0", ""), {}),
    "by name": (
        (URL,),
        {
            "model_filename": "my.pb",
            "image_size": 12,
            "label_filename": "labels.txt",
            "input_tensor": "images:0",
            "logit": "n/logits:0",
            "prob": "n/prob:0",
            "shape": None,
        },
    ),
}


@pytest.mark.parametrize(("facts", "named"), OF_2018.values(), ids=OF_2018)
def test_an_entry_of_2018_has_the_classes_of_its_graph(facts, named):
    AddModel("my_net", *facts, **named)
    weights = np.ones((3, 7), np.float32)
    path = setup_imagenet.MODELS / "my.pb"
    write_graph(path, "images:0", "n/logits:0", "n/prob:0", "", 12, weights, 1.0)
    network = setup_imagenet.network("my_net")
    assert (network.image_size, network.num_labels) == (12, 7)
    np.testing.assert_allclose(
        network.predict(tf.fill((1, 12, 12, 3), 0.1)), [[np.tanh(0.6)] * 7], rtol=1e-5
    )


@pytest.mark.parametrize("name", ["my_vgg", "alexnet_2", "densenet_own", "other"])
def test_the_preprocessing_of_an_entry_of_2018_follows_from_its_name(name):
    AddModel(name, *OF_2018["by place"][0])
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 2, 2, 3)).astype(np.float32)
    found = setup_imagenet.ENTRIES[name].preprocess(tf.constant(x))
    as_named = name.removeprefix("my_").replace("alexnet_2", "alexnet")
    np.testing.assert_allclose(found, by_hand(as_named, x)[0], rtol=1e-4, atol=1e-4)


FAULTY = {
    "a fact is missing": ((), {"model_filename": "my.pb", "image_size": 8}, "logit is missing"),
    "a size is text": ((URL, "my.pb", "299"), {"logit": "a"}, "image_size is '299', not a number"),
    "an unknown fact": ((), {"colour": 1}, r"AddModel\(\) got an unexpected keyword .*colour"),
    "too many": (range(20), {}, r"AddModel\(\) takes from 1 to 9 positional arguments"),
}


@pytest.mark.parametrize(("facts", "named", "said"), FAULTY.values(), ids=FAULTY)
def test_a_faulty_entry_is_named_when_it_is_used(facts, named, said):
    AddModel("my_net", *facts, **named)
    assert setup_imagenet.is_named("my_net")
    with pytest.raises(InputError, match=f"the entry of my_net in setup_imagenet.py .*{said}"):
        setup_imagenet.network("my_net")
    place("mobilenet_v1_025")
    assert setup_imagenet.network("mobilenet_v1_025").num_labels == 1001


def test_an_absent_graph_is_answered_with_its_place_the_command_and_keras():
    with pytest.raises(InputError) as error:
        setup_imagenet.network("resnet_v2_50")
    assert all(
        part in str(error.value)
        for part in ("tmp/imagenet/frozen_resnet_v2_50.pb", "python3 setup_imagenet.py", "keras:")
    )
    with pytest.raises(InputError, match="nasnet_large, densenet121_k32"):
        setup_imagenet.model_path("resnet")
    assert setup_imagenet.model_path("keras:ResNet50V2") is None
    place("vgg_16")
    assert str(setup_imagenet.model_path("vgg_16")) == "tmp/imagenet/frozen_vgg_16.pb"
    with pytest.raises(InputError, match="--weights is for keras:NAME"):
        setup_imagenet.network("vgg_16", weights="some.h5")


def test_photographs_have_the_networks_size_and_numbering(monkeypatch, here):
    (here / "photographs").mkdir()
    Image.new("RGB", (300, 240)).save(here / "photographs" / "7.1.jpg")
    monkeypatch.setenv("CLEVER_IMAGENET", "photographs")
    for name, label in (("vgg_16", 6), ("inception_v3", 7)):
        place(name)
        network = setup_imagenet.network(name)
        data = setup_imagenet.load(network, random.Random(1215))
        assert data.test_data[0].shape == (network.image_size, network.image_size, 3)
        assert data.test_labels.shape == (1, network.num_labels)
        assert data.test_labels.argmax() == label


def test_every_class_has_its_name():
    names = setup_imagenet.label_names("vgg_16")
    assert list(names) == list(range(1001))
    assert (names[0], names[1], names[1000]) == ("background", "tench", "toilet tissue")
    synsets = SHARED / "data" / "imagenet" / "synsets.txt"
    if synsets.is_file():
        listed = [line.split()[2].replace("_", " ") for line in synsets.read_text().splitlines()]
        assert list(names.values())[1:] == listed


def test_a_label_file_beside_the_graph_comes_first():
    place("vgg_16")
    labels = setup_imagenet.MODELS / "labels.txt"
    labels.write_text("0:nothing\n1:a fish: tench\n")
    assert setup_imagenet.label_names("vgg_16") == {0: "nothing", 1: "a fish: tench"}
    labels.write_bytes(b"\xff no label\n")
    with pytest.raises(InputError, match=r"labels\.txt has lines that are not N:name"):
        setup_imagenet.label_names("vgg_16")


@pytest.mark.parametrize(
    ("numbers", "classes", "first"),
    [
        (range(1001), 1000, 0),  # with the background
        (range(1, 1001), 1000, 1),
        (range(1000), 1000, 1),  # counts from 0, the classes in print from 1
        (range(1001), 1001, 0),
        (range(2), 2, 0),
        (range(1, 3), 2, 0),
        (range(1), 2, 0),  # not all have names
    ],
)
def test_a_label_file_may_count_from_0_or_1(numbers, classes, first):
    labels = setup_imagenet.MODELS / "labels.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text("".join(f"{number}:the {place}th\n" for place, number in enumerate(numbers)))
    names = setup_imagenet.label_names("vgg_16", classes=classes)
    assert names == {first + place: f"the {place}th" for place in range(len(numbers))}


def test_a_network_of_other_classes_gets_no_names_of_imagenet(capsys):
    assert setup_imagenet.label_names("vgg_16", classes=2) == {}
    labels = setup_imagenet.MODELS / "labels.txt"
    labels.parent.mkdir(parents=True)
    labels.write_text(setup_imagenet.LABELS.read_text())
    assert setup_imagenet.label_names("vgg_16", classes=2) == {}
    said = "tmp/imagenet/labels.txt has 1001 names, vgg_16 has 2 classes: it is not used\n"
    assert capsys.readouterr().err == said


@pytest.fixture
def command(monkeypatch):
    """The command's main, with these arguments."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["setup_imagenet.py", *map(str, args)])
        setup_imagenet.main()

    return call


@pytest.mark.parametrize("name", ["inception_v3", "vgg_16"])
def test_the_command_prints_the_most_probable_classes(name, here, command, capsys):
    weights = place(name, scale := 0.01)
    Image.new("RGB", (400, 350), (200, 100, 50)).save(here / "image.png")
    fed, _ = by_hand(name, np.array([200, 100, 50], np.float32) / 255 - 0.5)
    expected = softmax(np.tanh(scale * fed @ weights))
    top = [int(label) for label in np.argsort(-expected)[:3]]
    command("--image_file", "image.png", "--model_name", name, "--num_top_predictions", 3)
    names = setup_imagenet.label_names(name)
    first = 1 if name == "vgg_16" else 0
    assert capsys.readouterr().out.splitlines() == [
        f"{names[label + first]} (class {label + first}, score = {expected[label]:.5f})"
        for label in top
    ]


def place_own(function):
    """A network "own" of two classes: `function` of 2 and -3, nearly, is all that it gives."""
    AddModel(
        "own", model_filename="own.pb", image_size=8, classes=2, logit="net/out", prob="net/out:0"
    )
    weights = np.random.default_rng(0).normal(0, 1e-3, (3, 2)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, 8, 8, 3), "input")
        inner = tf.matmul(tf.reduce_mean(x, (1, 2)), weights)
        function(tf.nn.bias_add(inner, [2.0, -3.0]), name="net/out")
    setup_imagenet.MODELS.mkdir(parents=True)
    (setup_imagenet.MODELS / "own.pb").write_bytes(graph.as_graph_def().SerializeToString())


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (tf.nn.softmax, softmax([2, -3])),
        (tf.nn.sigmoid, 1 / (1 + np.exp([-2, 3]))),
        (tf.identity, softmax([2, -3])),
    ],
)
def test_what_are_probabilities_already_is_printed_as_it_is(
    here, command, capsys, function, expected
):
    place_own(function)
    Image.new("RGB", (8, 8), (128, 128, 128)).save(here / "image.png")
    command("--image_file", "image.png", "--model_name", "own")
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in printed] == ["class 0", "class 1"]
    scores = [float(line.split()[-1].rstrip(")")) for line in printed]
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_the_command_refuses_what_it_cannot_use(here, command):
    Image.new("RGB", (40, 35)).save(here / "image.png")
    (here / "labels.txt").write_text("0:background\n")
    place("vgg_16")
    for args, said in (
        (("--image_file", "image.png", "--num_top_predictions", 0), "predictions: 0: give 1 or"),
        (("--image_file", "image.png", "--model_name", "keras:MobilNet"), "keras:MobileNet"),
        (("--image_file", "absent.png", "--model_name", "vgg_16"), "^--image_file absent.png: no"),
        (("--image_file", "labels.txt", "--model_name", "vgg_16"), "^--image_file labels.txt: not"),
    ):
        with pytest.raises(InputError, match=said):
            command(*args)
    done = run_here("setup_imagenet.py", "--image_file", "image.png", cwd=here)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "tmp/imagenet/frozen_resnet_v2_101.pb not found" in done.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--weights", "w.h5"), "^--weights is for classifying an image: give --image_file as"),
        (
            ("--weights", "w.h5", "--image_file", "image.png"),
            "^--weights is for keras:NAME, torchvision:NAME and timm:NAME: resnet_v2_101 has ",
        ),
        (("--sha256", "0" * 64, "--image_file", "image.png"), "^--sha256 is for the download"),
    ],
)
def test_options_without_effect_are_refused(here, command, args, said):
    Image.new("RGB", (40, 35)).save(here / "image.png")
    with pytest.raises(InputError, match=said):
        command(*args)
    assert not setup_imagenet.MODELS.exists()


def test_errors_of_weights_name_the_option(monkeypatch, here):
    (here / "text.h5").write_text("no weights")
    for file in ("text.h5", "absent.h5"):
        with pytest.raises(InputError, match=f"^--weights {file}(:| does not fit keras:MobileNet)"):
            setup_imagenet.network("keras:MobileNet", file)
    with pytest.raises(InputError, match=r"^keras\.applications has no classifier 'MobilNet'"):
        setup_imagenet.network("keras:MobilNet", "text.h5")

    def refused(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", refused)
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(here))
    with pytest.raises(InputError, match=r"could not be downloaded.* a file with --weights FILE$"):
        setup_imagenet.network("keras:MobileNet")


def test_importing_it_imports_no_tensorflow():
    program = "import sys, setup_imagenet; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def write_archive(path, members):
    """A .tar.gz of (name, content or TarInfo)."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)


def test_the_archive_is_fetched_and_only_what_is_expected_is_unpacked(server, here, monkeypatch):
    setup_imagenet.ENTRIES.clear()
    for name in ("one", "two", "three"):
        AddModel(
            name,
            model_filename=f"{name}.pb",
            image_size=8,
            logit="l:0",
            prob="p:0",
            url=f"{server}/graphs.tar.gz",
        )
    monkeypatch.setattr(setup_imagenet, "LARGEST_FILE", 1000)
    setup_imagenet.MODELS.mkdir(parents=True)
    (setup_imagenet.MODELS / "one.pb").write_bytes(b"placed by hand")
    members = [
        ("./graphs/one.pb", b"1"),
        ("../../labels.txt", b"0:background\n"),
        ("two.pb", (tarfile.SYMTYPE, "/etc/passwd")),
        ("graphs/two.pb", b"2"),
        ("graphs/three.pb", bytes(1001)),
        ("graphs/evil.py", b"import os"),
        ("../evil.pb", b"3"),
        ("/three.pb", (tarfile.LNKTYPE, "/etc/passwd")),
        ("three.pb", (tarfile.FIFOTYPE, "")),
        ("three.pb", (tarfile.CHRTYPE, "")),
    ]
    write_archive(here / "served" / "graphs.tar.gz", members)
    setup_imagenet.fetch()
    files = {path.name: path.read_bytes() for path in setup_imagenet.MODELS.iterdir()}
    assert files.pop("SHA256SUMS").endswith(b"  graphs.tar.gz\n")
    assert files == {"one.pb": b"placed by hand", "two.pb": b"2", "labels.txt": b"0:background\n"}
    assert not (setup_imagenet.MODELS / "two.pb").is_symlink()
    assert sorted(os.listdir(here)) == ["served", "tmp"]


def test_an_archive_that_is_gone_keeps_no_other_away(server, here):
    setup_imagenet.ENTRIES.clear()
    for name in ("gone", "there"):
        url = f"{server}/{name}.tar.gz"
        AddModel(name, url, f"{name}.pb", 8, "labels.txt", "input:0", "l:0", "p:0", "")
    write_archive(here / "served" / "there.tar.gz", [("there.pb", b"1")])
    with pytest.raises(InputError, match=r"could not be downloaded .*Place gone\.pb"):
        setup_imagenet.fetch()
    assert (setup_imagenet.MODELS / "there.pb").read_bytes() == b"1"


@pytest.mark.parametrize("content", [None, b"<html>this site is gone</html>", "damaged"])
def test_an_archive_that_is_gone_is_answered_with_the_files_to_place(
    server, here, monkeypatch, content
):
    served = here / "served" / "graphs.tar.gz"
    if content == "damaged":
        write_archive(served, [("frozen_vgg_16.pb", os.urandom(9999))])
        served.write_bytes(served.read_bytes()[:5000])
    elif content:
        served.write_bytes(content)
    setup_imagenet.ENTRIES.clear()
    setup_imagenet.ENTRIES["vgg_16"] = replace(ENTRIES["vgg_16"], url=f"{server}/graphs.tar.gz")
    with pytest.raises(InputError) as error:
        setup_imagenet.fetch()
    assert f"Place frozen_vgg_16.pb in {here / 'tmp' / 'imagenet'}" in str(error.value)
    assert os.listdir(setup_imagenet.MODELS) == []


@pytest.fixture
def archive(server, here, monkeypatch):
    """The one archive that there is, of one graph, on a server."""
    entry = replace(ENTRIES["vgg_16"], url=f"{server}/graphs.tar.gz")
    monkeypatch.setattr(setup_imagenet, "ENTRIES", {"vgg_16": entry})
    write_archive(here / "served" / "graphs.tar.gz", [("frozen_vgg_16.pb", b"1")])
    return here / "served" / "graphs.tar.gz"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_without_a_hash_is_taken_on_trust_once(archive, command, capsys):
    first = sha256(archive)
    command()
    assert f"SHA-256 {first}, not verified, taken on trust" in capsys.readouterr().err
    graph = setup_imagenet.MODELS / "frozen_vgg_16.pb"
    graph.unlink()
    command()
    assert capsys.readouterr().err == ""
    graph.unlink()
    write_archive(archive, [("frozen_vgg_16.pb", b"another")])
    with pytest.raises(InputError, match=f"an earlier download had {first}"):
        command()
    assert not graph.exists()
    command("--sha256", sha256(archive).upper())
    assert graph.read_bytes() == b"another"
    assert (setup_imagenet.MODELS / "SHA256SUMS").read_text().startswith(sha256(archive))


def test_an_archive_of_another_hash_is_not_unpacked(archive, command):
    with pytest.raises(InputError, match="not that of --sha256"):
        command("--sha256", "0" * 64)
    assert os.listdir(setup_imagenet.MODELS) == []
    with pytest.raises(InputError, match="give 64 hexadecimal digits"):
        command("--sha256", "$(touch evil)")


def test_hashes_that_are_none_are_named(archive, command):
    setup_imagenet.MODELS.mkdir(parents=True)
    (setup_imagenet.MODELS / "SHA256SUMS").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"SHA256SUMS: .*; remove it"):
        command()


def bomb(kind, size):
    """A gzipped tar whose one header declares `size` bytes, which are zeros."""
    member = tarfile.TarInfo("labels.txt")
    member.type, member.size = kind, size
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(min(size, 2**25)))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_an_archive_whose_names_would_fill_the_memory_is_refused(archive, command, kind):
    archive.write_bytes(bomb(kind, 2**25))
    before = peak_memory()
    with pytest.raises(InputError, match=r"Place frozen_vgg_16\.pb in"):
        command()
    assert peak_memory() - before < 2**26


def test_an_archive_that_unpacks_to_an_absurd_size_is_refused(archive, command):
    archive.write_bytes(bomb(tarfile.REGTYPE, 2**34))
    with pytest.raises(InputError, match="unpacks to more than 8589934592 B"):
        command()


def test_only_addresses_of_the_network_are_downloaded(archive, command, here):
    setup_imagenet.ENTRIES["vgg_16"] = replace(ENTRIES["vgg_16"], url=archive.as_uri())
    with pytest.raises(InputError, match="not an address of https or http"):
        command()


def test_a_name_of_a_network_leads_nowhere_else():
    for name in ("../../etc/passwd", "vgg_16/../x", "$(touch evil)", "a\nb", "", "keras:../x"):
        with pytest.raises(InputError):
            setup_imagenet.network(name)


def test_what_labels_say_does_not_reach_the_terminal():
    labels = setup_imagenet.MODELS / "labels.txt"
    place("vgg_16")
    labels.write_text("0:\x1b[2Jnothing\n")
    assert setup_imagenet.label_names("vgg_16") == {0: "\\x1b[2Jnothing"}
    labels.write_text("9" * 5000 + ":much\n")
    with pytest.raises(InputError, match="not N:name"):
        setup_imagenet.label_names("vgg_16")
