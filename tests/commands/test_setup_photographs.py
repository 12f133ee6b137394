"""ImageNet's pictures get the names CLASS.NUMBER.jpg, whatever tells their classes."""

import errno
import os
import random

import pytest
from PIL import Image

from lipschitz.data import photographs
from tests.helpers import run_here

# made up, in sorted order: the first is class 1, the last class 1000
SYNSETS = [f"n{1440764 + 13021 * place:08}" for place in range(1000)]
GREYS = {1: 10, 140: 90, 141: 150, 1000: 230}  # of the pictures, by CLASS
NUMBERS = {1: 293, 140: 29510, 141: 7, 1000: 50000}  # in their names
EXPECTED = ["1.00000293.jpg", "1000.00050000.jpg", "140.00029510.jpg", "141.00000007.jpg"]


def published(CLASS):
    return f"ILSVRC2012_val_{NUMBERS[CLASS]:08}.JPEG"


def draw(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (grey, grey, grey)).save(path, "JPEG")


def lay_out_flat(folder):
    """The pictures in one folder."""
    for CLASS, grey in GREYS.items():
        draw(folder / published(CLASS), grey)


def lay_out_in_synsets(folder, synsets):
    """The pictures in the folders of their synsets, beside others that are empty."""
    for synset in synsets:
        (folder / synset).mkdir(parents=True)
    for CLASS, grey in GREYS.items():
        draw(folder / SYNSETS[CLASS - 1] / published(CLASS), grey)


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run the command beside the folder `val`; photographs go to the folder `imgs`."""
    monkeypatch.setenv("CLEVER_IMAGENET", str(tmp_path / "imgs"))
    return lambda *args: run_here("setup_photographs.py", "val", *args, cwd=tmp_path)


def names(folder):
    return sorted(os.listdir(folder))


def refused(done):
    """The one line with which the command refuses what it was given."""
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    return said


def write_val_txt(folder):
    """Caffe's file, which counts the classes from 0."""
    lines = [f"{published(CLASS)} {CLASS - 1}\n" for CLASS in GREYS]
    (folder / "val.txt").write_text("".join(lines))


def write_csv(folder, others=()):
    """Kaggle's file, with the boxes of things in the pictures."""
    named = [(published(CLASS).removesuffix(".JPEG"), SYNSETS[CLASS - 1]) for CLASS in GREYS]
    named += [(f"of_{synset}", synset) for synset in others]
    rows = [f"{name},{synset} 85 1 499 272 {synset} 1 2 3 4 \n" for name, synset in named]
    (folder / "solution.csv").write_text("ImageId,PredictionString\n" + "".join(rows))


def test_synset_folders_are_numbered_in_sorted_order(command, tmp_path):
    lay_out_in_synsets(tmp_path / "val", random.Random(0).sample(SYNSETS, 1000))
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "imgs") == EXPECTED
    assert (tmp_path / "val" / SYNSETS[139] / published(140)).is_file()


@pytest.mark.parametrize("num_labels", [1000, 1001])
def test_what_is_put_is_read_with_its_label(command, tmp_path, num_labels):
    lay_out_in_synsets(tmp_path / "val", SYNSETS)
    command()
    data = photographs.load(photographs.folder(), 8, num_labels, random.Random(0))
    first = 1 if num_labels == 1000 else 0
    found = {}
    for image, label in zip(data.test_data[:], data.test_labels.argmax(axis=1), strict=True):
        found[int(label) + first] = round((float(image.mean()) + 0.5) * 255)
    assert found == pytest.approx(GREYS, abs=1)


def test_a_list_of_names_and_classes_counts_from_0(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    done = command("--labels", "val.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "imgs") == EXPECTED


@pytest.mark.parametrize("form", ["{}", "{} tench, Tinca tinca", "{} 7 kit_fox", "{}\tsnail\r"])
def test_a_table_of_synsets_is_numbered_by_a_file_of_all(command, tmp_path, form):
    lay_out_flat(tmp_path / "val")
    write_csv(tmp_path)
    lines = [form.format(synset) for synset in random.Random(0).sample(SYNSETS, 1000)]
    (tmp_path / "synsets.txt").write_text("\n".join(lines))
    done = command("--labels", "solution.csv", "--synsets", "synsets.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "imgs") == EXPECTED


def test_a_table_of_all_synsets_numbers_them_itself(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_csv(tmp_path, others=SYNSETS)
    assert command("--labels", "solution.csv").returncode == 0
    assert names(tmp_path / "imgs") == EXPECTED


def test_a_few_synset_folders_are_numbered_by_a_file_of_all(command, tmp_path):
    lay_out_in_synsets(tmp_path / "val", [SYNSETS[CLASS - 1] for CLASS in GREYS])
    said = refused(command())
    assert "val has 4 synsets" in said
    assert "--synsets FILE" in said
    (tmp_path / "synsets.txt").write_text("\n".join(SYNSETS))
    assert command("--synsets", "synsets.txt").returncode == 0
    assert names(tmp_path / "imgs") == EXPECTED


def test_the_first_pictures_are_those_of_the_smallest_numbers(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    assert command("--labels", "val.txt", "-n", 2).returncode == 0
    assert names(tmp_path / "imgs") == ["1.00000293.jpg", "141.00000007.jpg"]


def test_pictures_are_linked_and_a_rerun_keeps_them(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    (tmp_path / "imgs").mkdir()
    (tmp_path / "imgs" / EXPECTED[0]).write_bytes(b"of the archive of 2018")
    done = command("--labels", "val.txt")
    assert ": 3 linked, 0 copied, 1 kept; " in done.stdout
    assert (tmp_path / "imgs" / EXPECTED[0]).read_bytes() == b"of the archive of 2018"
    assert (tmp_path / "imgs" / EXPECTED[1]).samefile(tmp_path / "val" / published(1000))
    assert ": 0 linked, 0 copied, 4 kept; " in command("--labels", "val.txt").stdout


def test_pictures_are_copied_where_they_cannot_be_linked(command, tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    monkeypatch.setattr(os, "link", link)
    assert ": 0 linked, 4 copied, 0 kept; " in command("--labels", "val.txt").stdout
    assert names(tmp_path / "imgs") == EXPECTED
    original, copied = tmp_path / "val" / published(1), tmp_path / "imgs" / EXPECTED[0]
    assert copied.read_bytes() == original.read_bytes()
    assert not copied.samefile(original)


def test_of_a_symbolic_link_the_picture_is_linked(command, tmp_path):
    draw(tmp_path / "store" / "a", 10)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / published(1)).symlink_to("../store/a")
    write_val_txt(tmp_path)
    assert command("--labels", "val.txt").returncode == 0
    photograph = tmp_path / "imgs" / EXPECTED[0]
    assert photograph.samefile(tmp_path / "store" / "a")
    assert not photograph.is_symlink()


def test_pictures_of_other_names_are_numbered_one_of_each_class_in_turn(command, tmp_path):
    lay_out_in_synsets(tmp_path / "val", SYNSETS)
    for CLASS, name in ((1, "b"), (1, "a"), (3, "c"), (2, "d")):
        draw(tmp_path / "val" / SYNSETS[CLASS - 1] / f"{name}.jpg", 50)
    Image.new("L", (9, 9)).save(tmp_path / "val" / SYNSETS[1] / "e.png")
    assert command().returncode == 0
    assert set(names(tmp_path / "imgs")) - set(EXPECTED) == {
        "1.00050001.jpg",  # a: published numbers end with 50000
        "2.00050002.jpg",
        "3.00050003.jpg",
        "1.00050004.jpg",  # b
        "2.00050005.png",
    }


def test_the_summary_names_the_command_that_uses_the_photographs(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    said = command("--labels", "val.txt").stdout
    assert said.endswith(
        "; to use them: python3 collect_gradients.py -d imagenet -m keras:ResNet50V2\n"
    )
    said = command("--labels", "val.txt", "--save", "my photos").stdout
    assert f" CLEVER_IMAGENET='{tmp_path}/my photos' python3 collect_gradients.py " in said
    assert names(tmp_path / "my photos") == EXPECTED


def test_pictures_without_a_class_are_left_out(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    write_val_txt(tmp_path)
    draw(tmp_path / "val" / "cat.jpg", 0)
    (tmp_path / "val" / "notes.txt").write_text("of no account")
    done = command("--labels", "val.txt")
    assert done.stderr == "1 picture left out, without a class: cat.jpg\n"
    assert names(tmp_path / "imgs") == EXPECTED


LABELS = {
    "12\n490\n1000\n": "numbers alone, as ILSVRC2012_validation_ground_truth.txt",
    "a.JPEG 0\na.JPEG 1\n": "names a picture twice",
    "a.JPEG 1\nb.JPEG 1000\n": "has a class 1000, not 0 to 999",
    "../a.JPEG 1\n": "the line '../a.JPEG 1' is not a picture's name and its class",
    "a.JPEG -1\n": "the line 'a.JPEG -1' is not",
    "\x1b[2J\n": r"the line '\x1b[2J' is not",
    "a.JPEG " + "9" * 5000: "is not a picture's name and its class",
    "\n": "is empty",
    f"a,{SYNSETS[0]} 1 2 3 4\n": "has 1 synset, and classes are numbered in the order of all 1000",
    "c.JPEG 1\n": f"labels has {published(141)}",
}


@pytest.mark.parametrize("text", LABELS, ids=LABELS.values())
def test_labels_that_cannot_be_used_are_one_line(command, tmp_path, text):
    lay_out_flat(tmp_path / "val")
    (tmp_path / "labels").write_text(text)
    said = refused(command("--labels", "labels"))
    assert LABELS[text] in said
    assert len(said) < 500
    assert not (tmp_path / "imgs").exists()


SYNSET_FILES = {
    "\n".join(SYNSETS[1:]): "synsets has 999 synsets, and classes are numbered in the order of all",
    "\n".join([*SYNSETS[1:], "n99999999"]): f"synsets lacks synsets that val has: {SYNSETS[0]}",
    "tench, Tinca tinca\n": "the line 'tench, Tinca tinca' is not an id, as n01440764",
}


@pytest.mark.parametrize("text", SYNSET_FILES, ids=SYNSET_FILES.values())
def test_synsets_that_cannot_be_used_are_one_line(command, tmp_path, text):
    lay_out_in_synsets(tmp_path / "val", [SYNSETS[CLASS - 1] for CLASS in GREYS])
    (tmp_path / "synsets").write_text(text)
    assert SYNSET_FILES[text] in refused(command("--synsets", "synsets"))
    assert not (tmp_path / "imgs").exists()


def test_what_is_no_file_is_not_waited_for(command, tmp_path):
    lay_out_flat(tmp_path / "val")
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: it is no regular file" in refused(command("--labels", "pipe"))
    assert "absent: No such file" in refused(command("--labels", "absent"))
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    assert "huge: it has 1099511627776 B" in refused(command("--labels", "huge"))


def test_folders_that_cannot_be_used_are_one_line(command, tmp_path):
    assert "val is not a folder" in refused(command())
    lay_out_flat(tmp_path / "val")
    assert "no synset folders (n01440764): give the classes" in refused(command())
    assert "give another folder with --save" in refused(command("--save", "val"))
    write_val_txt(tmp_path)
    said = refused(command("--labels", "val.txt", "--synsets", "synsets"))
    assert "leave out --synsets" in said
    draw(tmp_path / "val" / published(1).replace(".JPEG", ".jpg"), 0)
    assert "have the same number: move one away" in refused(command("--labels", "val.txt"))
