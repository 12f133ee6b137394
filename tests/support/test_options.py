"""The options of a command: what --help shows, and numbers that are out of range."""

import pytest

from lipschitz.support.errors import InputError
from lipschitz.support.options import Parser, number

DESCRIPTION = """Sample around images.

Reads a network;
writes files.
"""


@pytest.fixture
def parser():
    parser = Parser(DESCRIPTION)
    parser.add_argument("-N", "--Nsamps", type=number(1), default=1024, help="samples")
    parser.add_argument("--radius", type=number(0, kind=float), help="largest (default 3)")
    parser.add_argument("--widths", type=int, nargs="+", default=(64, 32), help="of layers")
    parser.add_argument("--min", action="store_true", help="the least")
    parser.add_argument("--ids", default="", help="a file")
    return parser


def test_help_shows_defaults_and_keeps_the_lines_of_the_description(parser):
    shown = parser.format_help()
    assert DESCRIPTION in shown
    assert " ".join(shown.split()).endswith(
        "-N NSAMPS, --Nsamps NSAMPS samples (default 1024) "
        "--radius RADIUS largest (default 3) "
        "--widths WIDTHS [WIDTHS ...] of layers (default 64 32) "
        "--min the least "
        "--ids IDS a file"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-N", "0"], "argument -N/--Nsamps: 0: give 1 or more"),
        (["-N", "many"], "argument -N/--Nsamps: many: give a whole number"),
        (["--nsamps", "5"], "unrecognized arguments: --nsamps 5"),
        (["--ids"], "argument --ids: expected one argument"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(parser, arguments, message, capsys):
    with pytest.raises(InputError) as error:
        parser.parse_args(arguments)
    assert str(error.value) == f"{message} (--help lists the options)"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("limits", "right", "wrong", "said"),
    [
        ({"least": 1}, "1", "0", "0: give 1 or more"),
        ({"least": 1}, "12", "1.5", "1.5: give a whole number"),
        ({"least": 0, "below": 100}, "99", "100", "100: give a number below 100"),
        ({"least": 0, "kind": float}, "0", "-0.5", "-0.5: give 0 or more"),
        ({"least": 0, "kind": float}, "1e-9", "x", "x: give a number"),
        ({"least": 0, "kind": float, "above": True}, "1e-9", "0", "0: give a number above 0"),
        ({"least": 0, "kind": float, "above": True}, "3", "nan", "nan: give a number above 0"),
        ({"least": 0, "kind": float}, "3", "nan", "nan: give 0 or more"),
        ({"least": 0, "kind": float}, "9e9", "inf", "inf: give a finite number"),
    ],
)
def test_numbers_have_a_range(limits, right, wrong, said):
    parser = Parser("")
    parser.add_argument("--value", type=number(**limits))
    kind = limits.get("kind", int)
    assert parser.parse_args(["--value", right]).value == kind(right)
    with pytest.raises(InputError) as error:
        parser.parse_args([f"--value={wrong}"])
    assert str(error.value).startswith(f"argument --value: {said}")
