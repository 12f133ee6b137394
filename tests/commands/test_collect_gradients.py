"""collect_gradients.py from the shell: what it prints, saves and refuses."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy.io import loadmat

import collect_gradients
from lipschitz.builtin import model_file
from lipschitz.builtin.architectures import two_layer
from tests.helpers import ROOT, lines, run, run_here

COMMAND = "collect_gradients.py"


def collect(folder, arguments):
    """Run the command in a folder."""
    return run_here(COMMAND, *arguments.split(), cwd=folder)


@pytest.fixture(scope="module")
def done(digits_folder):
    """One run of two images, as a process of its own."""
    arguments = "--data digits -m 2-layer --numimg 2 -i 4 --saved out"
    return run(COMMAND, *arguments.split(), cwd=digits_folder)


def test_lines(done):
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0].startswith("{'dataset': 'digits', 'model_name': '2-layer'")
    assert re.fullmatch(
        r"\[DATAGEN\]\[L1\] no = 1, true_id = 0, true_label = 0, predicted = 0, correct = True, "
        r"seq = \[\d, \d, \d\], info = \['least', 'top2', 'random'\]",
        printed[1],
    )
    assert printed[3] == "top-1 accuracy: 1"
    number = r"[-+.\de]+"
    block = [
        r"top-10 classes = \[0, (\d(, )?){9}\]",
        rf"top-10 logits = \[({number}(, )?){{10}}\]",
        *[
            rf"\[STATS\]\[L2\] loop = {i}, time = {number}, iter_time = {number}, "
            rf"overhead = {number}, G2 = {number}, G1 = {number}, Ginf = {number}"
            for i in range(4)
        ],
        rf"\[STATS\]\[L1\] g_x0 = {number}, L2_max = 0, L1_max = 0, Linf_max = 0, "
        rf"G2_max = {number}, G1_max = {number}, Ginf_max = {number}",
        rf"\[STATS\]\[L1\] bnd_G2_max = {number}, bnd_G1_max = {number}, bnd_Ginf_max = {number}",
        rf"\[STATS\]\[L1\] attack_L1 = {number}, attack_L2 = {number}, attack_Linf = {number}",
        r"\[STATS\]\[L1\] total = 1, seq = 0, id = 0, time = \d+\.\d{3}, true_class = 0, "
        r"target_class = \d, info = least",
        r"saved to out/digits_2-layer/1024_4_0_0_\d_least_relu_order1.mat",
    ]
    for pattern, text in zip(block, printed[4:], strict=False):
        assert re.fullmatch(pattern, text), text
    totals = [line for line in lines(done.stdout, "[STATS][L1] total")]
    assert [re.search(r"total = (\d)", line)[1] for line in totals] == list("123456")


def test_printed_numbers_are_those_saved(done, digits_folder):
    path = digits_folder / lines(done.stdout, "saved to ")[0].removeprefix("saved to ")
    contents = loadmat(path, squeeze_me=True)
    second = lines(done.stdout, "[STATS][L2] loop = 1")[0]
    assert f"G2 = {contents['G2_max'][1]:.5g}, G1 = {contents['G1_max'][1]:.5g}" in second
    bound = lines(done.stdout, "[STATS][L1] bnd_")[0]
    g = float(contents["g_x0"])
    assert f"bnd_G1_max = {g / contents['Gi_max'].max():.5g}" in bound  # the dual norm
    assert f"bnd_Ginf_max = {g / contents['G1_max'].max():.5g}" in bound


def test_files_have_the_keys_of_2018(done, digits_folder):
    path = digits_folder / lines(done.stdout, "saved to ")[0].removeprefix("saved to ")
    contents = loadmat(path)
    keys = "L2_max L1_max Li_max G2_max G1_max Gi_max pred g_x0 id true_label target_label info"
    assert {*keys.split(), "args", "path"} <= contents.keys()
    for key in ("L2_max", "L1_max", "Li_max"):
        np.testing.assert_array_equal(contents[key], np.zeros((1, 4)))
    assert contents["pred"].shape == (1, 10)
    assert contents["args"]["Nsamps"][0, 0].item() == 1024


def test_margin_is_between_the_logits(done, digits_folder):
    for line in lines(done.stdout, "saved to "):
        contents = loadmat(digits_folder / line.removeprefix("saved to "), squeeze_me=True)
        pred, true, target = contents["pred"], contents["true_label"], contents["target_label"]
        assert float(contents["g_x0"]) == pytest.approx(float(pred[true] - pred[target]), rel=1e-6)


def test_training_reached_95_percent(digits_folder):
    log = (digits_folder / "training.log").read_text()
    assert float(re.search(r"saved models/digits_2layer.keras: ([\d.]+)%", log)[1]) >= 95


def test_a_trained_model_is_kept(digits_folder):
    again = run_here("train_2layer.py", "--dataset", "digits", cwd=digits_folder)
    assert again.returncode == 0
    assert again.stdout.startswith("kept models/digits_2layer.keras")


def test_other_settings_go_to_their_own_folder(workplace):
    done = collect(
        workplace, "-d digits -m 2-layer -i 2 -N 100 -b 64 --radius 0.5 --seed 3 --target_type 1"
    )
    assert "-N 100 is rounded down to 64: batches of 64 samples" in done.stdout
    (path,) = (workplace / "lipschitz_mat").rglob("*.mat")
    folder = path.relative_to(workplace).parent
    assert str(folder) == "lipschitz_mat/digits_2-layer/radius0.5_seed3_drawn64"
    assert path.name.startswith("100_2_0_0_")


def test_n_below_the_batch_size_is_raised(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 1 -N 10 -b 64 --target_type 2")
    assert "-N 10 is raised to 64: batches of 64 samples" in done.stdout
    assert "drawn64/10_1_0_" in lines(done.stdout, "saved to")[0]


def test_all_maxima_equal_in_a_tiny_ball_are_scored(workplace):
    """So near the image its samples are all one and the same float32 point."""
    collect(workplace, "-d digits -m 2-layer -i 20 -b 32 -N 32 --radius 1e-12 --target_type 1")
    done = run_here("clever.py", "lipschitz_mat", cwd=workplace)
    assert done.returncode == 0
    assert "all maxima are equal" in done.stdout
    assert "shape = -1" in done.stdout


def test_an_untrained_network_is_an_error(tmp_path):
    model = two_layer(28, 1)
    kernel, bias = model.layers[-1].get_weights()
    bias[1] = 1e6  # everything is a 1, and the first digit is a 0
    model.layers[-1].set_weights([kernel, bias])
    model_file.save(model, tmp_path / "models" / "digits_2layer.keras")
    done = collect(tmp_path, "-d digits -m 2-layer -i 1")
    assert done.returncode == 1
    assert "correct = False, seq = [], info = []" in done.stdout
    assert "classifies none of the 1 images correctly" in done.stderr
    assert not list(tmp_path.rglob("*.mat"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-d nowhere", "no data set named 'nowhere': choose from mnist, cifar, digits, imagenet"),
        (
            "-d digits -m 3-layer",
            "digits has no network named '3-layer': choose from 2-layer, normal, ",
        ),
        ("-d digits", 'models/digits not found: train it with "python3 train_models.py --dat'),
        ("-m 2-layer", 'models/mnist_2layer not found: train it with "python3 train_2layer.py'),
        ("-N 0", "argument -N/--Nsamps: 0: give 1 or more (--help lists the options)"),
        ("-i 0", "--Niters: 0: give 1 or more"),
        ("--numimg 0", "--numimg: 0: give 1 or more"),
        ("--radius -1", "--radius: -1: give a number above 0"),
        ("--radius nan", "--radius: nan: give a number above 0"),
        ("--seed -1", "--seed: -1: give 0 or more"),
        ("--seed 99999999999999999999", "give a number below 9,223,372,036,854,775,808"),
        ("--target_type -1", "--target_type -1: give a sum of 1, 2 and 4, or 16"),
        ("--target_type 8", "--target_type 8: give a sum of 1, 2 and 4, or 16"),
        ("--device tpu", "--device tpu: give cpu, gpu, or gpu:N for the GPU of number N"),
        ("--order 3", "--order: invalid choice: 3 (choose from 1, 2)"),
        ("--order 2 --compute_slope", "slopes are of first order"),
        ("--activation swish", "--activation: invalid choice: 'swish' (choose from "),
        (
            "--transform blur",
            "--transform: blur: choose from defend_reduce, defend_jpeg, defend_pn",
        ),
        ("--activation tanh", 'cnn_7layer_tanh not found: train it with "python3 train_nlayer.py'),
        ("-m 3,64,tanh", "python3 train_nlayer.py --model mnist --activation tanh 64 64"),
        ("-m 3,64,best", "--activation relu 64 64 --modelfile models/mnist_3layer_relu_64_best"),
        ("-d cifar -m brelu", "models/cifar_brelu not found"),
        ("-d imagenet", "imagenet has no network named 'normal': choose from resnet_v2_50"),
        ("-d imagenet -m vgg_16", "tmp/imagenet/frozen_vgg_16.pb not found: place it there"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, arguments, message):
    done = collect(tmp_path, arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_gpu_that_the_machine_lacks_is_one_line(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 1 --device gpu:99")
    assert done.returncode == 2
    assert "--device gpu:99: 2-layer finds no GPU to compute on" in done.stderr


def test_a_folder_that_cannot_be_made_is_said_before_sampling(workplace):
    (workplace / "file").touch()
    done = collect(workplace, "-d digits -m 2-layer -i 100 -s file")
    assert done.returncode == 1
    assert "Not a directory" in done.stderr
    assert "[STATS]" not in done.stdout


def test_images_and_targets_come_from_a_file(workplace):
    """Rows -f 1 -n 3: the images 7 and 3, whose targets are those named."""
    (workplace / "ids.txt").write_text("id\ttarget\n5\t3\n7\t2\n3\t8\n7\t4\n")
    common = "-d digits -m 2-layer -i 1 -b 32 -N 32 --ids ids.txt -f 1 -n 3"
    done = collect(workplace, common)
    assert done.returncode == 0, done.stderr
    seven, three = lines(done.stdout, "[DATAGEN]")
    assert "true_id = 7" in seven
    assert seven.endswith("seq = [2, 4], info = ['user', 'user']")
    assert "true_id = 3" in three
    names = [line.rpartition("/")[2].split("_") for line in lines(done.stdout, "saved to")]
    assert [(name[2], *name[4:6]) for name in names] == [
        ("7", "2", "user"),
        ("7", "4", "user"),
        ("3", "8", "user"),
    ]
    usual = collect(workplace, common + " --target_type 5")
    assert all(line.endswith("['least', 'top2']") for line in lines(usual.stdout, "[DATAGEN]"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("257\t1", "no image 257, there are 257 images"),
        ("0\t10", "target 10 of image 0: give a class below 10"),
        ("0\t0", "no row names another class than the image's own"),
    ],
)
def test_a_file_that_names_what_there_is_not_is_one_line(workplace, row, message):
    (workplace / "ids.txt").write_text(f"id\ttarget\n{row}\n")
    done = collect(workplace, "-d digits -m 2-layer --ids ids.txt")
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


def test_targets_of_an_images_own_class_are_skipped(workplace):
    (workplace / "ids.txt").write_text('"id"\t"target"\n"0"\t"0"\n0\t3\n')
    done = collect(workplace, "-d digits -m 2-layer -i 1 -n 2 --ids ids.txt")
    assert done.returncode == 0, done.stderr
    assert "image 0 is of class 0: no target, skipped" in done.stderr
    assert lines(done.stdout, "[DATAGEN]")[0].endswith("seq = [3], info = ['user']")


def test_more_workers_than_the_machine_can_use_are_lowered(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 1 --nthreads 100000 --target_type 1")
    assert done.returncode == 0, done.stderr
    found = re.search(r"--nthreads 100000 is taken as (\d+): there are (\d+) cores", done.stderr)
    assert int(found[1]) == 4 * int(found[2])
    assert f"sampling workers: {found[1]}" in done.stderr


def test_a_log_can_be_watched(workplace):
    """Lines come while an image is sampled, and in the order of its targets."""
    sizes = ["-N", "64", "-b", "64", "-i", "100000", "-n", "1", "--target_type", "5"]
    command = [ROOT / COMMAND, "-d", "digits", "-m", "2-layer", *sizes]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=workplace,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            watched = itertools.takewhile(lambda line: "loop = 3," not in line, process.stdout)
            text = "".join(watched)
        finally:
            process.kill()
    assert [line.split(",")[0] for line in lines(text, "[STATS][L2]")] == [
        f"[STATS][L2] loop = {i}" for i in range(3)
    ]
    assert lines(text, "saved to") == []


def test_slopes_are_saved_and_scored(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 20 -b 64 -N 64 --compute_slope")
    second = lines(done.stdout, "[STATS][L2]")[0]
    names = re.findall(r"(\w+) = ", second)
    assert names[4:] == ["L2", "L1", "Linf", "G2", "G1", "Ginf"]
    bound = lines(done.stdout, "[STATS][L1] bnd_L2_max")[0]
    contents = loadmat(next(workplace.rglob("slope/*_least_*")), squeeze_me=True)
    g = float(contents["g_x0"])
    assert f"bnd_L1_max = {g / contents['Li_max'].max():.5g}" in bound  # the dual norm
    scored = run_here(
        "clever.py", "lipschitz_mat", "--use_slope", "--method", "maxsamp", cwd=workplace
    )
    assert f"bnd_norm = i, bnd = {g / contents['L1_max'].max():.5g}" in scored.stdout


def test_second_order_is_saved_and_scored(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 3 -b 32 -N 32 --order 2 --target_type 1")
    assert done.returncode == 0, done.stderr
    path = next(workplace.rglob("*_order2.mat"))
    contents = loadmat(path, squeeze_me=True)
    keys = "H2_max pred g_x0 id true_label target_label info args path g_x0_grad_2_norm"
    assert set(keys.split()) <= contents.keys()
    g, a = float(contents["g_x0"]), float(contents["g_x0_grad_2_norm"])
    H = np.abs(contents["H2_max"]).max()
    score = (-a + np.sqrt(a**2 + 2 * g * H)) / H
    assert f"[STATS][L1] bnd_H2_max = {score:.5g}" in done.stdout
    assert re.search(r"\[L2\] loop = 2, .*, H2 = -[\d.]+$", done.stdout, re.MULTILINE)
    scored = run_here("clever.py", "lipschitz_mat", "--method", "maxsamp", cwd=workplace)
    assert f"top2_clever_L2 = {score:.5g}" in scored.stdout
    assert "clever_L1" not in scored.stdout


def test_fewer_images_than_asked_are_said(workplace):
    done = collect(workplace, "-d digits -m 2-layer -i 1 -f 255 -n 3 --target_type 1")
    assert "--numimg 3: only 2 test images from 255 on" in done.stdout


def test_an_image_beyond_the_last_is_an_error(workplace):
    done = collect(workplace, "-d digits -m 2-layer --firstimg 257")
    assert done.returncode == 2
    assert "there are 257 test images" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ("--data digits", "dataset", "digits"),
        ("--sav x", "save", "x"),
        ("--saved x", "save", "x"),
        ("-s x", "save", "x"),
        ("--o 1", "order", 1),
        ("--num 3", "numimg", 3),
        ("--model 2-layer", "model_name", "2-layer"),
        ("--sample_norm li", "sample_norm", "li"),
    ],
)
def test_abbreviations_in_use(monkeypatch, arguments, name, value):
    monkeypatch.setattr(sys, "argv", [COMMAND, *arguments.split()])
    given = getattr(collect_gradients.parse(), name)
    assert (str(given) if name == "save" else given) == value


OPTIONS_BEFORE = [
    *("--activation", "--batch_size", "--compute_slope", "--dataset", "--firstimg"),
    *("--fix_dirty_bug", "--ids", "--model_name", "--Niters", "--Nsamps", "--nthreads"),
    *("--numimg", "--order", "--overwrite", "--radius", "--sample_norm", "--save", "--saved"),
    *("--seed", "--target_type", "--transform", "--weights"),
]
FLAGS = ("--compute_slope", "--fix_dirty_bug", "--overwrite")


def test_every_abbreviation_of_the_older_options_still_means_the_same(monkeypatch):
    values = {"--activation": "relu", "--order": "1", "--sample_norm": "l2"}
    values |= {"--transform": "defend_png", "--weights": ""}
    for option in OPTIONS_BEFORE:
        for length in range(3, len(option)):
            short = option[:length]
            meant = [each for each in OPTIONS_BEFORE if each.startswith(short)]
            if meant not in ([option], ["--save", "--saved"]) and short != "--o":
                continue
            given = ["--order" if short == "--o" else option]
            given += [] if given[0] in FLAGS else [values.get(given[0], "3")]
            monkeypatch.setattr(sys, "argv", [COMMAND, *given])
            expected = collect_gradients.parse()
            monkeypatch.setattr(sys, "argv", [COMMAND, short, *given[1:]])
            assert collect_gradients.parse() == expected, short


def test_defaults_are_those_of_2018(monkeypatch):
    monkeypatch.setattr(sys, "argv", [COMMAND])
    args = vars(collect_gradients.parse())
    assert str(args.pop("save")) == "lipschitz_mat"
    assert args == {
        "dataset": "mnist",
        "model_name": "normal",
        "weights": "",
        "activation": "relu",
        "ray": None,
        "cores_per_worker": None,
        "working_dir": "",
        "shard": "",
        "device": None,
        "Nsamps": 1024,
        "Niters": 500,
        "numimg": 1,
        "ids": "",
        "like": "",
        "target_type": 15,
        "firstimg": 0,
        "transform": "",
        "order": 1,
        "compute_slope": False,
        "sample_norm": "l2",
        "radius": None,
        "fix_dirty_bug": False,
        "batch_size": 0,
        "nthreads": 0,
        "seed": 1215,
        "overwrite": False,
        "attack": None,
        "save_attacks": False,
        # of networks and images of one's own
        **dict.fromkeys([*collect_gradients.OF_NETWORK, *collect_gradients.OF_IMAGES]),
    }
