"""Printed lines are read back as they were written."""

from lipschitz.support.text import line, printable, read_fields


def test_what_was_written_is_read():
    written = line(
        "DEBUG", 1, id=3, info="least", bnd=0.123456, pVal=1e-7, g_x0="17.70402717590332"
    )
    assert read_fields(written + "\n") == {
        "id": "3",
        "info": "least",
        "bnd": "0.12346",
        "pVal": "1e-07",
        "g_x0": "17.70402717590332",
    }


def test_a_list_is_one_value():
    assert read_fields(line("DATAGEN", 1, seq=[6, 9], info=["least", "top2"], no=1)) == {
        "seq": "[6, 9]",
        "info": "['least', 'top2']",
        "no": "1",
    }


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\nb\x1b[2J\u2028\udc80é") == "a\\nb\\x1b[2J\\u2028\\udc80é"


def test_a_line_without_fields_is_read_at_once():
    assert read_fields("a" * 60_000) == {}
