"""ONNX files without the package onnx."""

import sys
from pathlib import Path

import pytest

from lipschitz.support.errors import InputError
from lipschitz.tf_backend.readers import onnx_file


def test_without_its_package_a_file_is_refused_in_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        InputError, match=r"^net\.onnx needs the package onnx: pip install '.*\[onnx\]'$"
    ):
        onnx_file.load(Path("net.onnx"))
