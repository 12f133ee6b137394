"""The signature: what it names, and what it says of a difference."""

from dataclasses import replace

import pytest

from lipschitz.results import scoring
from lipschitz.results.scored import Scoring, scored
from lipschitz.results.signature import differences, read, signature
from lipschitz.support.errors import InputError
from lipschitz.version import version
from tests.helpers import GOLDEN


def of(folder, **how):
    return signature(scored(scoring.load(scoring.find_files([folder])).records, "", Scoring(**how)))


def test_it_names_what_a_score_depends_on(attacked_folder):
    found = read(of(attacked_folder))
    images = found.pop("images")
    assert images.startswith("2@")
    assert len(images) == 10
    assert found == {
        "v": version(),
        "net": "normal@01234567-fedcba98",
        "data": "mnist",
        "ball": "l2,3",
        "N": "1024",
        "it": "50",
        "order": "1",
        "method": "mle_reg,0.01",
        "seed": "1215",
    }


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"method": "mle"}, "method is mle, not mle_reg,0.01"),
        ({"shape_reg": 0.1}, "method is mle_reg,0.1, not mle_reg,0.01"),
        ({"num_samples": 25}, "first:25 is not in that one"),
        ({"average": "min"}, "avg:min is not in that one"),
        ({"cap": True}, "cap:True is not in that one"),
    ],
)
def test_a_choice_that_changes_a_number_is_named(attacked_folder, how, said):
    assert differences(of(attacked_folder), of(attacked_folder, **how)) == [said]


def test_values_that_look_alike_are_told_apart(attacked_folder):
    """And the level counts, whatever the method: the interval of a mean has it."""
    assert differences(of(attacked_folder), of(attacked_folder, shape_reg=0.01000004)) == [
        "method is mle_reg,0.01000004, not mle_reg,0.01"
    ]
    largest = of(attacked_folder, method="maxsamp")
    (said,) = differences(largest, of(attacked_folder, method="maxsamp", level=0.5))
    assert said == "level:0.5 is not in that one"
    assert differences(f"[SIGNATURE][L1] {largest}\n", largest) == []


def test_other_images_or_targets_are_another_signature(attacked_folder):
    records = scoring.load(scoring.find_files([attacked_folder])).records
    whole = signature(scored(records))
    (said,) = differences(whole, signature(scored(records[:-1])))
    assert said.startswith("images is 2@")
    other = replace(records[0], provenance={**records[0].provenance, "image": "another"})
    (said,) = differences(whole, signature(scored([other, *records[1:]])))
    assert said.startswith("images is 2@")
    assert differences(whole, signature(scored(records[::-1]))) == []


def test_files_of_2018_leave_the_network_and_the_radius_open():
    found = read(of(GOLDEN / "jpeg"))
    assert (found["net"], found["ball"]) == ("2-layer@unknown", "l2,unknown")
    assert found["transform"] == "defend_jpeg"
    assert read(of(GOLDEN / "order2"))["act"] == "tanh"


def test_what_a_file_tells_does_not_break_the_line(attacked_folder):
    records = scoring.load(scoring.find_files([attacked_folder])).records
    hostile = [replace(each, network="a|b: c\n" + 500 * "d") for each in records]
    found = signature(scored(hostile))
    assert "\n" not in found
    assert len(found) < 300
    assert read(found)["net"].startswith(r"a_b:_c\n" + 10 * "d")


@pytest.mark.parametrize("text", ["", "clever", "bleu|v:1", "clever|v", "clever|:1"])
def test_what_is_no_signature_is_refused(text):
    with pytest.raises(InputError, match=r"is no signature: it is clever\|v:"):
        read(text)
