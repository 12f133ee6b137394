"""The names of the command line."""

import pytest

import catalogue
from lipschitz.support.errors import InputError


def test_every_data_set_has_its_images_and_networks():
    assert (*catalogue.TRAINABLE, catalogue.IMAGENET) == catalogue.DATASETS
    for name in catalogue.TRAINABLE:
        assert catalogue.family(name).dataset == name
    with pytest.raises(InputError, match="choose from mnist, cifar, digits, imagenet"):
        catalogue.data_set("nothing")


def test_a_damaged_network_is_answered_with_the_command_that_trains_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "digits_2layer.keras").write_bytes(b"no network")
    with pytest.raises(
        InputError,
        match=r'is not a Keras model: .*; replace it, or train it with "python3 train_2layer.py '
        '--dataset digits --overwrite"$',
    ):
        catalogue.network("digits", "2-layer")
