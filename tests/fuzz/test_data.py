"""Images, ids, labels, logs and archives that are spoiled: an InputError, or what can be used."""

import gzip
import hashlib
import io
import shutil
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import process_log
import setup_cifar
import setup_imagenet
import setup_mnist
from lipschitz.data import photographs
from lipschitz.data.targets import read_ids
from lipschitz.support.download import DownloadError
from setup_mnist import IdxFile
from tests.fuzz.cases import cases, edited, loaded, spoiled

rng = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One for all cases, where data sets look for theirs."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLEVER_DATA", str(folder))
        patch.setattr(setup_cifar, "IMAGES_PER_BATCH", IMAGES)
        yield folder


PIXELS = rng.integers(0, 256, (5, 4, 4), dtype=np.uint8)
IDX = bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 4]) + PIXELS.tobytes()
MNIST = IdxFile("tiny.gz", PIXELS.shape, hashlib.sha256(IDX).hexdigest())


@cases()
@given(st.one_of(spoiled([gzip.compress(IDX)]), edited([IDX]).map(gzip.compress)))
def test_idx(folder, content):
    (folder / MNIST.name).write_bytes(content)
    pixels = loaded(setup_mnist.read, MNIST)
    assert pixels is None or pixels.shape == MNIST.shape


IMAGES = 2  # of a batch
RECORDS = rng.integers(0, 10, (IMAGES, setup_cifar.RECORD), dtype=np.uint8).tobytes()


@cases()
@given(batch=spoiled([RECORDS]), checksums=st.binary())
def test_cifar(folder, batch, checksums):
    (folder / setup_cifar.FOLDER).mkdir(exist_ok=True)
    (folder / setup_cifar.FOLDER / "test_batch.bin").write_bytes(batch)
    (folder / setup_cifar.FOLDER / setup_cifar.CHECKSUMS).write_bytes(checksums)
    records = loaded(setup_cifar.read, "test_batch.bin")
    assert records is None or records[:, 0].max() < 10


def encoded(form, shape, **options):
    file = io.BytesIO()
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


PHOTOGRAPHS = [
    encoded("JPEG", (12, 16, 3)),
    encoded("JPEG", (12, 16), progressive=True),
    encoded("PNG", (12, 16, 3)),
    encoded("PNG", (12, 16, 4)),
]


@cases()
@given(spoiled(PHOTOGRAPHS))
def test_photographs(folder, content):
    (folder / "1.1.jpg").write_bytes(content)
    image = loaded(photographs.decode, folder / "1.1.jpg", 8)
    if image is not None:
        assert image.shape == (8, 8, 3)
        assert -0.5 <= image.min() <= image.max() <= 0.5


IDS = [b"id\ttarget\tnote\n5\t3\ta\n7\t1\tb\n5\t4\tc\n", b"id\r\n5\r\n\r\n7\r\n"]


@cases()
@given(content=spoiled(IDS), with_targets=st.booleans())
def test_ids(folder, content, with_targets):
    (folder / "ids.txt").write_bytes(content)
    found = loaded(read_ids, folder / "ids.txt", 0, 9, with_targets)
    for named in found.images if found else ():
        assert 0 <= named.image_id < 10**9
        assert all(0 <= target < 10**9 for target in named.targets)


@cases()
@given(spoiled([b"0:background\n1:tench, Tinca tinca\n2:goldfish\n"]))
def test_labels(folder, content):
    (folder / "labels.txt").write_bytes(content)
    names = loaded(setup_imagenet.label_names, "vgg_16", folder)
    assert names is None or all(name.isprintable() for name in names.values())


LOG = (
    b"{'data_folder': ['lipschitz_mat'], 'method': 'mle_reg', 'use_slope': False}\n"
    b"[Filename] lipschitz_mat/mnist_normal/1024_50_1_2_6_least_relu_order1.mat\n"
    b"[DEBUG][L1] id = 1, true_label = 2, target_label = 6, info = least, nsamps = 1024, "
    b"niters = 50, bnd_norm = i, bnd = 0.1554, ks = 0.093206, pVal = 0.79013, shape = 8.3559, "
    b"loc = -113.93, scale = 20.101, g_x0 = 17.70402717590332\n"
)


@cases()
@given(spoiled([LOG, LOG.replace(b"least", b"class6"), 2 * LOG]))
def test_logs(folder, content):
    log = folder / "scores.log"
    log.write_bytes(content)
    bounds, damaged = process_log.read_log(log)
    assert all(bound["bnd"] == bound["bnd"] for bound in bounds)
    assert all(isinstance(problem, str) for problem in damaged)
    tabulated(log)


def tabulated(log):
    """The table of a log's bounds, as the command makes it."""
    found = loaded(process_log.load, [log])
    if found is not None:
        bounds = process_log.nearest_class(process_log.count_once(found[0]))
        bounds["row"] = process_log.row_names(bounds)
        bounds["usable"] = bounds["pVal"].isna() | (bounds["pVal"] > 0.05)
        assert len(process_log.average(bounds)) > 0


def archive():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as members:
        for name in ("graphs/one.pb", "../two.pb", "/labels.txt"):
            member = tarfile.TarInfo(name)
            member.size = 700
            members.addfile(member, io.BytesIO(bytes(700)))
    return file.getvalue()


ARCHIVE = archive()


@pytest.fixture(scope="module")
def entries():
    """Two graphs of an archive, which is not downloaded but where `fetch` looks for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup_imagenet, "ENTRIES", {})
        for name in ("one", "two"):
            facts = {"model_filename": f"{name}.pb", "logit": "l:0", "prob": "p:0"}
            setup_imagenet.AddModel(name, image_size=8, url="http://example.org/a.tar.gz", **facts)
        yield patch


@cases()
@given(st.one_of(spoiled([gzip.compress(ARCHIVE)]), edited([ARCHIVE]).map(gzip.compress)))
def test_archives(folder, entries, content):
    def downloaded(urls, path, check, largest):
        path.write_bytes(content)
        try:
            check(path)
        except ValueError as error:
            raise DownloadError(str(error)) from error

    entries.setattr(setup_imagenet, "download", downloaded)
    outer = folder / "outer"
    shutil.rmtree(outer, ignore_errors=True)
    loaded(setup_imagenet.fetch, outer / "inner")
    assert [path.name for path in outer.iterdir()] == ["inner"]
    names = {path.name for path in (outer / "inner").iterdir()}
    assert names <= {"one.pb", "two.pb", "labels.txt", setup_imagenet.CHECKSUMS}
