"""Images and targets: the kinds, the order, the generator's draws, and files of ids."""

import os
import random

import numpy as np
import pytest

from lipschitz.data.targets import IdFile, IdRow, choose, read_ids
from lipschitz.support.errors import InputError

LOGITS = np.array(
    [
        [5, 1, 2, 0, 3, -4, 1.5, 2.5, 4, 0.5],  # predicted 0, least 5, top2 8
        [0, 9, 1, 2, 3, 4, 5, 6, 7, 8],  # predicted 1, least 0, top2 9
        [3, 2, 1, 9, 8, 7, 6, 5, 4, 0],  # predicted 3, least 9, top2 4
    ]
)
IDS = [0, 1, 2]
LABELS = np.eye(10)[[0, 2, 3]]  # the second is classified wrongly


def drawn(seed):
    """What 2018's loop draws, with Python's own global generator."""
    random.seed(seed)
    for taken in ({0, 5, 8}, {1, 0, 9}, {3, 9, 4}):
        while (label := random.randint(0, 9)) in taken:
            pass
        yield label


@pytest.mark.parametrize("seed", range(20))
def test_order_and_draws(seed):
    draws = list(drawn(seed))
    chosen = list(choose([4, 5, 6], LOGITS, LABELS, 15, random.Random(seed)))
    assert [image.image_id for image in chosen] == [4, 5, 6]
    assert chosen[0].info == ["least", "top2", "random"]
    assert chosen[0].targets == [5, 8, draws[0]]
    assert chosen[2].targets == [9, 4, draws[2]]  # the wrong image between them took its draw


@pytest.mark.parametrize(
    ("target_type", "info"),
    [(1, ["top2"]), (2, ["random"]), (4, ["least"]), (6, ["least", "random"])],
)
def test_bits_choose_kinds(target_type, info):
    first = next(choose(IDS, LOGITS, LABELS, target_type, random.Random(1)))
    assert first.info == info


def test_wrong_images_have_no_targets():
    wrong = list(choose(IDS, LOGITS, LABELS, 15, random.Random(1)))[1]
    assert not wrong.correct
    assert (wrong.true_label, wrong.predicted, wrong.targets, wrong.info) == (2, 1, [], [])


def test_untargeted_takes_every_other_class():
    first = next(choose(IDS, LOGITS, LABELS, 16 + 15, random.Random(1)))
    assert first.targets == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert first.info == [f"class{label}" for label in first.targets]


def test_tied_logits_are_no_classification():
    """A network that says the same of every image has no margin to score."""
    (constant,) = choose([0], np.zeros((1, 10)), np.eye(10)[:1], 15, random.Random(1))
    assert not constant.correct
    assert constant.targets == []


def test_few_classes_leave_no_random_one():
    (image,) = choose([0], np.array([[3.0, 1, 2]]), np.eye(3)[:1], 15, random.Random(1))
    assert (image.info, image.targets) == (["least", "top2"], [1, 2])


def test_the_golden_choice_of_2018():
    """Seed 1215 drew 8, 6, 5, 6, 6 for the first five MNIST images (2-layer network)."""
    least_top2 = [(7, 6, 3), (2, 7, 1), (1, 0, 8), (0, 8, 7), (4, 1, 9)]
    logits = np.zeros((5, 10))
    for row, (predicted, least, top2) in zip(logits, least_top2, strict=True):
        row[[predicted, top2, least]] = 2, 1, -1
    labels = np.eye(10)[[predicted for predicted, _, _ in least_top2]]
    chosen = choose([*range(5)], logits, labels, 15, random.Random(1215))
    assert [image.targets[2] for image in chosen] == [8, 6, 5, 6, 6]


def test_random_classes_start_above_the_background():
    """As 2018 did for ImageNet's 1001 classes: randint(1, K), drawn again where it is no class."""
    drawn = [
        next(choose([0], LOGITS, LABELS, 2, random.Random(seed), lowest_random=1)).targets[0]
        for seed in range(200)
    ]
    expected = []
    for seed in range(200):
        random.seed(seed)
        while (label := random.randint(1, 10)) in (0, 5, 8, 10):
            pass
        expected.append(label)
    assert drawn == expected


def test_if_no_class_above_the_background_is_free_none_is_drawn():
    logits = np.array([[0.0, 3, 1, 2]])
    (image,) = choose([0], logits, np.eye(4)[[1]], 15, random.Random(1), lowest_random=1)
    assert image.info == ["least", "top2", "random"]  # 0, 3 and 2
    (image,) = choose([0], logits[:, ::-1], np.eye(4)[[2]], 15, random.Random(1), lowest_random=1)
    assert image.targets[:2] == [3, 0]


def test_named_targets_take_the_place_of_all_others():
    """No class is drawn for them, and a wrong image has none."""
    generator = random.Random(1)
    named = [[("user", 3), ("user", 4)], [("user", 5)], [("least", 1)]]
    chosen = list(choose([7, 8, 9], LOGITS, LABELS, 15, generator, named=named))
    assert [image.image_id for image in chosen] == [7, 8, 9]
    assert [image.targets for image in chosen] == [[3, 4], [], [1]]
    assert [image.info for image in chosen] == [["user", "user"], [], ["least"]]
    assert chosen[1].predicted == 1
    assert generator.random() == random.Random(1).random()


ROWS = "id\ttarget\tnote\n5\t3\ta\n7\t1\tb\n5\t4\tc\n9\t0\td\n5\t3\te\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ids.txt"
    path.write_text(ROWS)
    return path


def test_rows_of_an_image_are_put_together(file):
    assert read_ids(file, 0, 10, with_targets=True) == IdFile(
        [IdRow(5, [3, 4]), IdRow(7, [1]), IdRow(9, [0])], taken=5, rows=5
    )


def test_rows_are_cut_before_they_are_put_together(file):
    found = read_ids(file, 1, 2, with_targets=True)
    assert found == IdFile([IdRow(7, [1]), IdRow(5, [4])], taken=2, rows=5)


def test_targets_are_not_read_unless_they_are_asked_for(file):
    assert read_ids(file, 0, 2, with_targets=False).images == [IdRow(5, []), IdRow(7, [])]


def test_quotes_are_characters_like_others(tmp_path):
    (tmp_path / "ids.xz").write_text('id\tnote\n3\t"open\n5\tb\n9\t"c"\n')
    found = read_ids(tmp_path / "ids.xz", 0, 9, with_targets=False)
    assert [named.image_id for named in found.images] == [3, 5, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "id\n5\n",
            r"has no column 'target' \(separated by tabs, commas or semicolons; it has 'id'",
        ),
        ("id;x\n5;1\n", r"has no column 'target' \(separated by semicolons; it has 'id', 'x'\)"),
        ("no,target\n5,1\n", r"has no column 'id' \(separated by commas; it has 'no', 'target'\)"),
        ("id target\n5 1\n", r"separated by tabs, commas or semicolons; it has 'id target'\)"),
        ("number\ttarget\n5\t1\n", "has no column 'id'"),
        ("id\ttarget\n5\tx\n", "line 2: target 'x' is not a number"),
        ("id\ttarget\n5\t1\n-1\t1\n", "line 3: id '-1' is not a number of 0 or more"),
        ("id\ttarget\n5\t\n", "line 2: target '' is not a number"),
        ("id\ttarget\n5\t1\n6\t1\t2\t3\n", "ids.txt: "),
        ("", "ids.txt: "),
        ("id\ttarget\n", "ids.txt has 0 rows: there is no row 0"),
        ("\0\1\2\xff", "ids.txt"),
        ("id\ttarget\n5\t1\t2\n", "line 2 has 3 columns, the first 2"),
        ("id\ttarget\n\n5\n", "line 3: target '' is not a number"),
        ("id\ttarget\n\xd9\xa1\t1\n", "line 2: id '١' is not a number"),
        ("id\ttarget\n5\t" + "9" * 5000, "line 2: target '9999"),
        ("id\ttarget\n5\t1.5", "line 2: target '1.5' is not a number"),
        ("id;target\n5;1,000", "line 2: target '1,000' is not a number"),
        ('id,note,target\n5,"open,1\n6,b,2\n', "is no table of columns: unexpected end of data"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, content, message):
    (tmp_path / "ids.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=message) as error:
        read_ids(tmp_path / "ids.txt", 0, 1, with_targets=True)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: No such file"):
        read_ids(tmp_path / "nowhere.txt", 0, 1, with_targets=True)


def test_what_is_no_regular_file_of_ids_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file"):
        read_ids(tmp_path / "pipe", 0, 1, with_targets=True)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="1099511627776 B, more than"):
        read_ids(tmp_path / "large", 0, 1, with_targets=True)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfid\ttarget\r\n5\t1\r\n",
        b"id\ttarget\r5\t1\r",
        "id\ttarget\n5\t1\n".encode("utf-16"),
        "id;target;größe\n5;1;ä\n".encode("latin-1"),
    ],
)
def test_files_of_other_systems_are_read(tmp_path, content):
    (tmp_path / "ids.txt").write_bytes(content)
    assert read_ids(tmp_path / "ids.txt", 0, 1, with_targets=True).images == [IdRow(5, [1])]


@pytest.mark.parametrize(
    "content",
    [
        "id,target\n5,3\n7,1\n",
        "\n,id,target\n\n0,5,3\n,,\n1,7,1\n",
        '"id";"target"\n"5";"3"\n"7";"1"\n',
        '"id"\t"target"\n"5"\t"3"\n"7"\t"1"\n',
        "id\ttarget\n5.0\t3.00\n7.0\t1.0\n",
        "id, target\n 5, 3\n 7, 1\n",
        'note,id,target\n"a, b; ""c""",5,3\n"d\ne",7,1\n',
        "id\tnote, and more; of it\ttarget\n5\ta\t3\n7\tb\t1\n",
    ],
)
def test_what_other_programs_write_is_read(tmp_path, content):
    (tmp_path / "ids.txt").write_text(content)
    found = read_ids(tmp_path / "ids.txt", 0, 9, with_targets=True)
    assert found == IdFile([IdRow(5, [3]), IdRow(7, [1])], taken=2, rows=2)


NAMES = ("cats/a.png", "cats/b.png", "dogs/b.png", "3", "dogs/c.png")


@pytest.mark.parametrize(
    ("field", "image_id"),
    [("cats/a.png", 0), ("a.png", 0), ("dogs/b.png", 2), ("c.png", 4), ("1", 1), ("3", 3)],
)
def test_an_image_is_named_by_its_file_or_its_place(tmp_path, field, image_id):
    (tmp_path / "ids.csv").write_text(f"id,target\n{field},1\n")
    found = read_ids(tmp_path / "ids.csv", 0, 1, with_targets=True, names=NAMES)
    assert found.images == [IdRow(image_id, [1])]


@pytest.mark.parametrize("field", ["b.png", "d.png"])
def test_a_name_that_is_no_image_or_several_is_told(tmp_path, field):
    (tmp_path / "ids.csv").write_text(f"id\n{field}\n")
    with pytest.raises(InputError, match=f"line 2: id '{field}' is not the name of an image or a"):
        read_ids(tmp_path / "ids.csv", 0, 1, with_targets=False, names=NAMES)
