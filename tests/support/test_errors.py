"""A command that ends early says so in one line, whatever the message quotes."""

import subprocess
import sys

from tests.helpers import ROOT

QUOTED = "--ids a\nb\x1b[2J\udc80: no such file"


def test_what_a_message_quotes_stays_in_its_line():
    code = f"from lipschitz.errors import *\ndef main(): raise InputError({QUOTED!r})\nrun(main)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "-c: --ids a\\nb\\x1b[2J\\udc80: no such file\n"
