"""process_log.py: its means against the rows of 2018 and hand-made logs, and logs it cannot use."""

import functools
import os
import re

import numpy as np
import pandas as pd
import pytest

import process_log
from lipschitz.support.text import line, read_fields
from tests.helpers import EXPECTED, GOLDEN, lines, run, run_here

NORMAL = "l2/mnist_normal"
ARGUMENTS = "{'data_folder': ['lipschitz_mat'], 'use_slope': False, 'method': 'mle_reg'}"
EARLIER = "{'use_slope': False, 'data_folder': '%s'}"  # as Python 3.5 could order it


@pytest.fixture
def process(tmp_path):
    """The command in the test's folder, in this process: pandas takes a while to load."""
    return functools.partial(run_here, "process_log.py", cwd=tmp_path)


def scored(folder, log, *options):
    """A log of clever.py on golden files."""
    done = run_here("clever.py", GOLDEN / folder, *options, cwd=log.parent)
    assert done.returncode == 0, done.stderr
    log.write_text(done.stdout)


def block(folder, bnd, norms="12i", *, image=0, target=3, nsamp=1024, info="least", **fit):
    """What clever.py prints of one file."""
    name = f"{nsamp}_50_{image}_7_{target}_{info}_relu_order1.mat"
    of_fit = {"ks": 0.1, "pVal": 0.5, "shape": 5.0, "loc": -2.0, "scale": 1.0, "g_x0": "3.0"} | fit
    fields = {"id": image, "true_label": 7, "target_label": target, "info": info}
    fields |= {"nsamps": nsamp, "niters": 50}
    return ["loading", f"[Filename] {folder}/{name}"] + [
        line("DEBUG", 1, **fields, bnd_norm=norm, bnd=bnd, **of_fit) for norm in norms
    ]


def of_early_2018(text):
    """A log as before August 2018: N and iterations stand in the names of the files alone."""
    text = re.sub(r", nsamps = \d+, niters = \d+", "", text)
    assert "nsamps" not in text
    return text.replace("_relu_order1.mat", ".mat")


def without_files(text):
    return "".join(each for each in text.splitlines(True) if not each.startswith("[Filename]"))


def write(log, *blocks):
    log.write_text("\n".join([ARGUMENTS, *(text for block in blocks for text in block)]) + "\n")


SUMMARY = re.compile(
    r"\[L0\] model = (.+), Nimg = (\d+), bnd_avg = ([\d.e+-]+), "
    r"(?:pVal>0.05 & shape<1000 gives Nimg = (\d+), bnd_avg = (\S+), useable = ([\d.]+) %"
    r"|fits = none \(--method maxsamp\)), info = (\w+), bnd_norm = (\w)"
)


def summaries(done):
    """What the [L0] lines say: (number, mean, usable number, usable mean, share) by group."""
    found = [SUMMARY.fullmatch(text).groups() for text in lines(done.stdout, "[L0]")]
    return {
        (model, kind, norm): [value and float(value) for value in values]
        for model, *values, kind, norm in found
    }


def rows(done, title):
    """The LaTeX rows under a title."""
    table = done.stdout.partition(f"% {title}")[2].split("\n\n")[0]
    return [row for row in table.splitlines()[1:] if not row.startswith("%")]


def test_infinite_bounds_are_left_out_of_a_mean_which_says_how_many(tmp_path, process):
    """A network that hides its gradients around one image of three; its maxima are not fitted."""
    unfitted = {"ks": -1.0, "pVal": -1.0, "shape": -1.0, "loc": 0.0, "scale": -1.0}
    folder = "lipschitz_mat/mnist_normal"
    write(
        tmp_path / "a.log",
        block(folder, 1.0, "2"),
        block(folder, 2.0, "2", image=1),
        block(folder, np.inf, "2", image=2, **unfitted),
    )
    (summary,) = lines(process("a.log").stdout, "[L0]")
    assert "Nimg = 3, bnd_avg = 1.5, " in summary
    assert summary.endswith("bnd_norm = 2, infinite bounds left out = 1")


def test_means_agree_with_2018(tmp_path, process):
    scored("l2", tmp_path / "a.log")
    found = summaries(process("a.log"))
    assert len(found) == 18
    for (model, kind, norm), (number, mean, usable, usable_mean, share) in found.items():
        theirs = rows_of_2018(model, kind, norm)
        assert (number, usable, share) == (len(theirs), len(theirs), 100)
        assert mean == usable_mean == pytest.approx(np.mean(theirs["bnd"]), rel=6e-3)


def test_a_log_of_early_2018_has_the_same_means(tmp_path, process):
    scored(NORMAL, tmp_path / "new.log")
    (tmp_path / "old.log").write_text(of_early_2018((tmp_path / "new.log").read_text()))
    done = process("old.log")
    assert done.returncode == 0
    assert not done.stderr
    found = summaries(done)
    assert len(found) == 9
    for group, (number, mean, *_) in found.items():
        theirs = rows_of_2018(*group)
        assert number == len(theirs) == 2
        assert mean == pytest.approx(np.mean(theirs["bnd"]), rel=6e-3)
    again = process("old.log", "new.log")
    assert "counted once: 18 bounds of old.log" in again.stdout
    assert summaries(again) == found


def test_experiments_of_early_2018_are_rows_apart(tmp_path, process):
    folder, log = "lipschitz_mat/mnist_normal", tmp_path / "a.log"
    write(log, block(folder, 1.0), block(folder, 3.0, nsamp=2048))
    log.write_text(of_early_2018(log.read_text()))
    found = summaries(process("a.log"))
    assert {model: mean for (model, _, _), (_, mean, *_) in found.items()} == {
        "mnist normal nsamps=1024": 1,
        "mnist normal nsamps=2048": 3,
    }


@pytest.mark.parametrize(
    ("arguments", "name", "model"),
    [
        (EARLIER % "lipschitz_mat/cifar_2-layer/", "clever_mnist_normal.log", "cifar 2-layer"),
        (EARLIER % "m/mnist_3,256,relu", "a.log", "mnist 3,256,relu"),
        (EARLIER % "lipschitz_mat", "clever_mnist_normal_1024.log", "mnist normal"),
        (EARLIER % "lipschitz_mat", "clever_imagenet_resnet_v2_50.log", "imagenet resnet"),
        ("{'data_folder': ['cifar_normal']}", "clever_mnist_normal.log", "cifar normal"),
        ("{'data_folder': ['cifar_brelu', 'b']}", "clever_mnist_normal.log", "mnist normal"),
        ("", "clever_mnist_2-layer.log", "mnist 2-layer"),
    ],
)
def test_a_log_that_names_no_files_tells_its_model(tmp_path, process, arguments, name, model):
    text = "\n".join([arguments, *block("lipschitz_mat/digits_normal", 1.5)]) + "\n"
    (tmp_path / name).write_text(of_early_2018(text))
    assert {found for found, *_ in summaries(process(name))} == {"digits normal"}
    (tmp_path / name).write_text(without_files(of_early_2018(text)))
    done = process(name)
    assert {found for found, *_ in summaries(done)} == {model}
    assert [mean for _, mean, *_ in summaries(done).values()] == [1.5] * 3


def test_the_folder_of_one_run_tells_nothing_of_the_next(tmp_path, process):
    first, second = (
        "\n".join([EARLIER % folder, *block(folder, bnd)]) + "\n"
        for folder, bnd in (("cifar_normal", 1.0), ("mnist_normal", 2.0))
    )
    (tmp_path / "a.log").write_text(of_early_2018(first) + without_files(of_early_2018(second)))
    found = summaries(process("a.log"))
    assert {model: mean for (model, _, _), (_, mean, *_) in found.items()} == {
        "cifar normal": 1,
        "mnist normal": 2,
    }


def test_logs_that_name_no_files_are_rows_apart(tmp_path, process):
    for name, bnd in (("a_mnist_normal.log", 1.0), ("b_mnist_normal.log", 3.0)):
        write(tmp_path / name, block("m/mnist_normal", bnd))
        (tmp_path / name).write_text(without_files((tmp_path / name).read_text()))
    found = summaries(process("a_mnist_normal.log", "b_mnist_normal.log"))
    assert {model: mean for (model, _, _), (_, mean, *_) in found.items()} == {
        "mnist normal saved=a_mnist_normal.log": 1,
        "mnist normal saved=b_mnist_normal.log": 3,
    }


def test_a_log_of_run_sh_is_not_taken_for_a_model_of_its_name(tmp_path, process):
    """Its second and third part are the network and the activation."""
    log = tmp_path / "mnist_normal_relu_ord1_ns1000_nit100_rand_1020_101500.log"
    write(log, block("lipschitz_mat/mnist_normal", 1.0))
    log.write_text(without_files(log.read_text()))
    done = process(log.name)
    assert done.returncode == 2
    assert "no [Filename] line before it tells the model" in done.stderr


def rows_of_2018(model, kind, norm):
    """2018's bounds of a folder of golden files."""
    expected = pd.DataFrame(EXPECTED["l2/" + model.replace(" ", "_")]["rows"])
    return expected[(expected["info"] == kind) & (expected["bnd_norm"] == norm)]


def test_the_line_and_the_rows_of_a_model(tmp_path, process):
    write(
        tmp_path / "a.log",
        block("lipschitz_mat/cifar_normal", 1.0, image=0),
        block("lipschitz_mat/cifar_normal", 2.0, image=1),
        block("lipschitz_mat/cifar_normal", 6.0, image=2, pVal=0.05),
        block("lipschitz_mat/cifar_normal", 7.0, image=3, shape=1000.0),
        block("lipschitz_mat/cifar_normal", 8.0, image=4, pVal=-1.0, shape=-1.0),
    )
    done = process("a.log")
    assert done.returncode == 0
    assert done.stdout == (
        "".join(
            "[L0] model = cifar normal, Nimg = 5, bnd_avg = 4.8, pVal>0.05 & shape<1000 gives "
            f"Nimg = 2, bnd_avg = 1.5, useable = 40.0 %, info = least, bnd_norm = {norm}\n"
            for norm in "12i"
        )
        + "\n% bounds: mean over the usable fits\n% model & least 2 & least i &\n"
        "cifar normal & 1.500 & 1.500 &\n"
        "\n% p-values: usable fits in percent\n% model & least 2 & least i &\n"
        "cifar normal & 40.0 & 40.0 &\n"
    )


def test_rows_stand_in_the_order_of_2018(tmp_path, process):
    models = ["digits_normal", "imagenet_resnet_v2_50", "imagenet_inception_v3", "cifar_normal"]
    models += ["cifar_2-layer", "mnist_brelu", "mnist_normal", "mnist_2-layer", "cifar_3,256,tanh"]
    write(tmp_path / "a.log", *(block(f"lipschitz_mat/{model}", 1.0) for model in models))
    done = process("a.log")
    assert [row.partition(" &")[0] for row in rows(done, "bounds")] == [
        "mnist 2-layer",
        "mnist normal",
        "mnist brelu",
        "cifar 2-layer",
        "cifar normal",
        "imagenet inception\\_v3",
        "imagenet resnet\\_v2\\_50",
        "cifar 3,256,tanh",
        "digits normal",
    ]


def test_the_settings_of_a_sub_folder_are_a_model_of_its_own(tmp_path, process):
    write(
        tmp_path / "normal_of_another_name.log",
        block("lipschitz_mat/cifar_normal", 1.0),
        block("lipschitz_mat/cifar_normal/defend_jpeg", 2.0),
    )
    found = summaries(process(tmp_path))
    assert {model for model, _, _ in found} == {"cifar normal", "cifar normal defend_jpeg"}


def test_experiments_of_a_model_are_rows_apart(tmp_path, process):
    write(
        tmp_path / "a.log",
        block("lipschitz_mat/mnist_normal", 1.0),
        block("lipschitz_mat/mnist_normal", 3.0, nsamp=2048),
        block("lipschitz_mat/mnist_2-layer", 5.0),
    )
    found = summaries(process("a.log"))
    assert {model: mean for (model, _, _), (_, mean, *_) in found.items()} == {
        "mnist 2-layer": 5,
        "mnist normal nsamps=1024": 1,
        "mnist normal nsamps=2048": 3,
    }


def test_a_bound_in_two_logs_counts_once_as_in_the_later(tmp_path, process):
    (tmp_path / "logs").mkdir()
    write(
        tmp_path / "logs/b.log", block("m/mnist_normal", 1.0), block("m/mnist_normal", 4, image=1)
    )
    write(tmp_path / "logs/a.log", block("m/mnist_normal", 2.0))
    os.utime(tmp_path / "logs/b.log", (1e9, 1e9))  # older, though its name comes later
    done = process("logs")
    assert "counted once: 3 bounds of logs/b.log come again later" in done.stdout
    assert [mean for _, mean, *_ in summaries(done).values()] == [3] * 3
    named = process("logs/a.log", "logs/b.log", "logs")
    assert "counted once: 3 bounds of logs/a.log" in named.stdout
    assert [mean for _, mean, *_ in summaries(named).values()] == [2.5] * 3


def test_untargeted_files_count_by_their_nearest_class(tmp_path, process):
    scored("untargeted/mnist_2-layer", tmp_path / "a.log", "--untargeted")
    found = summaries(process("a.log"))
    assert {kind for _, kind, _ in found} == {"untargeted"}
    (printed,) = lines((tmp_path / "a.log").read_text(), "[STATS][L0]")
    for norm in "12i":
        number, mean, *_ = found["mnist 2-layer", "untargeted", norm]
        assert number == 1
        assert mean == float(read_fields(printed)[f"untargeted_clever_L{norm}"])


def test_second_order_logs_have_no_other_norm(tmp_path, process):
    write(tmp_path / "a.log", block("lipschitz_mat/mnist_normal", 1.5, norms="2"))
    done = process("a.log")
    assert rows(done, "bounds") == ["mnist normal & 1.500 & - &"]


def test_maxima_without_a_fit_are_averaged_apart(tmp_path, process):
    scored(NORMAL, tmp_path / "fitted.log")
    scored(NORMAL, tmp_path / "largest.log", "--method", "maxsamp")
    done = process("fitted.log", "largest.log")
    found = summaries(done)
    assert len(found) == 18
    (summary,) = lines((tmp_path / "largest.log").read_text(), "[STATS][L0] info = top2")
    for norm in "12i":
        number, mean, *fits = found["mnist normal method=maxsamp", "top2", norm]
        assert number == 2
        assert mean == pytest.approx(float(read_fields(summary)[f"top2_clever_L{norm}"]), rel=1e-4)
        assert fits == [None] * 3
    assert rows(done, "p-values")[0].startswith("mnist normal method=maxsamp & - & -")


def test_pickles_hold_the_bounds(tmp_path, process):
    scored(NORMAL, tmp_path / "a.log")
    done = process("a.log", "--save_pickle")
    names = {f"pickle_mnist_normal_{k}_norm{p}" for k in ("least", "random", "top2") for p in "12i"}
    assert {path.name for path in tmp_path.glob("pickle_*")} == names
    assert set(lines(done.stdout, "saved")) == {f"saved {name}" for name in names}
    # written a line above
    bounds = pd.read_pickle(tmp_path / "pickle_mnist_normal_least_norm2")  # noqa: S301
    theirs = rows_of_2018("mnist normal", "least", "2")
    assert bounds["id"].tolist() == [0, 1]
    assert bounds["g_x0"].tolist() == theirs["g_x0"].tolist()
    assert bounds["usable"].all()
    assert bounds["useable"].equals(bounds["usable"])
    # 2018's columns had the names of the fields of its lines
    for name in theirs.columns.drop(["bnd", "ks", "pVal", "shape", "loc", "scale"]):
        assert bounds[name].tolist() == theirs[name].tolist()
    assert bounds["bnd"].to_numpy() == pytest.approx(theirs["bnd"].to_numpy(), rel=6e-3)
    assert set(theirs.columns) <= set(bounds.columns)


def test_a_log_of_something_else_is_named_and_skipped(tmp_path, process):
    write(tmp_path / "a.log", block("lipschitz_mat/mnist_normal", 1.0))
    (tmp_path / "training.log").write_text("loss: 0.1\n")
    (tmp_path / "binary.log").write_bytes(bytes(range(256)) * 99)
    done = process(tmp_path)
    assert done.returncode == 0
    assert len(summaries(done)) == 3
    skipped = lines(done.stderr, "skipped")
    assert skipped == done.stderr.splitlines()
    assert {re.search(r"(\w+\.log):", text)[1] for text in skipped} == {
        "training.log",
        "binary.log",
    }


@pytest.mark.parametrize(
    ("damage", "left", "message"),
    [
        (lambda text: text[:-40], 2, "line 6: the line is cut off"),
        (lambda text: text.replace("i, bnd = 1", "i, bnd = \0"), 2, "line 6: could not convert"),
        (lambda text: text.replace("pVal = 0.5, ", ""), 0, "line 4: it lacks pVal"),
        (lambda text: text.replace("niters = 50, ", ""), 0, "line 4: it lacks niters"),
        (lambda text: text.replace("[Filename]", "[File"), 0, "no [Filename] line before it"),
        (lambda text: text.replace("_order1.mat", ".mat"), 0, "its name is not NSAMP"),
        (lambda text: text.replace("= least", "= le\x1b[2Jast"), 0, r"its info is 'le\x1b[2Jast'"),
        (lambda text: text.replace("id = 0", "id = " + "9" * 5000), 0, "its id is '9999"),
        (lambda text: text.replace("pVal = 0.5", "pVal = nan"), 0, "its pVal is not a number"),
        (lambda text: text.replace("norm = i", "norm = ../i"), 2, "its bnd_norm is '../i'"),
        (lambda text: text.replace("bnd_norm = i, ", "x" * 10**6), 2, "line 6: the line is cut"),
    ],
)
def test_a_damaged_line_is_no_bound(tmp_path, damage, left, message):
    log = tmp_path / "a.log"
    write(log, block("lipschitz_mat/mnist_normal", 1.0))
    log.write_text(damage(log.read_text()))
    bounds, problems = process_log.read_log(log)
    assert len(bounds) == left
    assert len(problems) == 3 - left
    assert message in problems[0]


def test_what_a_terminal_would_obey_is_escaped(tmp_path, process):
    write(tmp_path / "a.log", block("lipschitz_mat/mnist_nor\x1b[2Jmal", 1.0))
    done = process("a.log")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert r"mnist nor\x1b[2Jmal" in done.stdout


def test_a_damaged_line_is_named_and_the_rest_is_averaged(tmp_path, process):
    write(tmp_path / "a.log", block("lipschitz_mat/mnist_normal", 1.0))
    with (tmp_path / "a.log").open("a") as log:
        log.write("[DEBUG][L1] id = 1, true_lab")
    done = process("a.log")
    assert done.returncode == 1
    assert done.stderr == "left out a.log, line 7: the line is cut off\n"
    assert len(summaries(done)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["empty"], "no log has bounds"),
        (["empty/notes.txt"], "no log has bounds"),
    ],
)
def test_bad_input_ends_with_one_line(tmp_path, arguments, message, process):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("nothing here\n")
    done = process(*arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_starts_without_tensorflow(tmp_path):
    """As a command of its own, which clever.py's log is given to."""
    write(tmp_path / "a.log", block("lipschitz_mat/mnist_normal", 1.0))
    done = run("process_log.py", "a.log", cwd=tmp_path, PYTHONVERBOSE="1")
    assert done.returncode == 0
    assert len(summaries(done)) == 3
    assert "import 'pandas'" in done.stderr
    for needless in ("tensorflow", "catalogue", "setup_mnist", "h5py", "PIL"):
        assert f"import '{needless}'" not in done.stderr


def test_capped_scores_are_rows_of_their_own(tmp_path, process):
    for log, cap in (("old", ""), ("new", ", 'cap': False"), ("capped", ", 'cap': True")):
        text = [ARGUMENTS.replace("}", cap + "}"), *block("lipschitz_mat/mnist_normal", 2.0)]
        (tmp_path / f"{log}.log").write_text("\n".join([*text, "[STATS][L0] info = least", ""]))
    done = process("old.log", "new.log", "capped.log")
    assert "counted once: 3 bounds of old.log come again later" in done.stdout
    rows = {re.search(r"model = (.*?),", text)[1] for text in lines(done.stdout, "[L0]")}
    assert rows == {"mnist normal cap=False", "mnist normal cap=True"}
