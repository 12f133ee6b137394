"""clever.py on the files of 2018, its options, and files that it cannot use."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from lipschitz.maths.ball import Ball, radii_inside
from lipschitz.results import matfile, remarks, scoring
from lipschitz.results.attacked import Attacked
from lipschitz.settings import Limits
from tests.helpers import EXPECTED, GOLDEN, ROOT, lines, run_here

REAL = [folder for folder in EXPECTED if folder != "synthetic/mnist_synthetic"]
NORMAL = "l2/mnist_normal"


def clever(*args, cwd):
    return run_here("clever.py", *args, cwd=cwd)


def numbers(line):
    return {name: float(value) for name, value in re.findall(r"(\w+) = (-?[\d.e+-]+)", line)}


def l0(output):
    return {
        re.search(r"info = (\w+)", line)[1]: numbers(line) for line in lines(output, "[STATS][L0]")
    }


@pytest.fixture
def normal(tmp_path):
    """A copy of a golden folder of six files, to be spoiled."""
    return shutil.copytree(GOLDEN / NORMAL, tmp_path / "mnist_normal")


@pytest.mark.parametrize("folder", REAL)
def test_summary_agrees_with_2018(folder, tmp_path):
    done = clever(GOLDEN / folder, *EXPECTED[folder]["options"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours, theirs = l0(done.stdout), l0("\n".join(EXPECTED[folder]["l0"]))
    theirs = {kind: scores for kind, scores in theirs.items() if any(scores.values())}
    assert ours.keys() == theirs.keys()
    for kind, scores in theirs.items():
        assert ours[kind] == pytest.approx(scores, rel=6e-3)


def test_second_order_bounds_are_those_of_2018(tmp_path):
    folder = "order2/mnist_normal"
    done = clever(GOLDEN / folder, cwd=tmp_path)
    rows = EXPECTED[folder]["rows"]
    printed = [numbers(line) for line in lines(done.stdout, "[DEBUG][L1]")]
    for ours, theirs in zip(printed, rows, strict=True):
        for name in ("bnd", "shape", "loc", "scale", "g_x0"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-3)
    assert all("bnd_norm = 2" in line for line in lines(done.stdout, "[DEBUG][L1]"))


def test_orders_are_scored_apart_or_one_is_chosen(normal, tmp_path):
    for path in (GOLDEN / "order2/mnist_normal").glob("*.mat"):
        shutil.copy(path, normal)
    both = clever(normal, cwd=tmp_path)
    assert [line.rpartition(", ")[2] for line in lines(both.stdout, "===")] == [
        "order 2 ===",
        "order 1 ===",
    ]
    alone = clever(GOLDEN / NORMAL, cwd=tmp_path)
    for option, value in (("--order", 1), ("--activation", "relu")):
        chosen = clever(normal, option, value, cwd=tmp_path)
        assert l0(chosen.stdout) == l0(alone.stdout)
    slope = clever(normal, "--order", 1, "--use_slope", cwd=tmp_path)
    assert "order2.mat" not in slope.stderr
    tanh = clever(normal, "--activation", "tanh", cwd=tmp_path)
    assert l0(tanh.stdout)["least"] == {"least_clever_L2": 3.9464}


def test_second_order_fits_are_drawn(tmp_path):
    done = clever(GOLDEN / "order2", "--plot_dir", "plots", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "Fig_mnist-normal_least_0_7_6_Nsamp_20_L2.png",
        "Fig_mnist-normal_random_0_7_8_Nsamp_20_L2.png",
    ]


def test_printed_lines(tmp_path):
    """Their form is an interface; the values are 2018's."""
    done = clever(GOLDEN / NORMAL, cwd=tmp_path)
    printed = done.stdout.splitlines()
    assert printed[0].startswith("{'data_folder':")
    assert printed[1] == "loading"
    assert printed[2] == f"[Filename] {GOLDEN / NORMAL}/1024_50_0_7_6_least_relu_order1.mat"
    assert printed[3].startswith(
        "[DEBUG][L1] id = 0, true_label = 7, target_label = 6, info = least, nsamps = 1024, "
        "niters = 50, bnd_norm = 1, bnd = 9.40"
    )
    assert re.fullmatch(
        r".*bnd = [\d.]+, ks = 0.062\d+, pVal = 0.98\d+, shape = 4.86\d+, loc = -3.27\d+, "
        r"scale = 1.2\d+, g_x0 = 30.823110580444336",
        printed[3],
    )
    debug = lines(done.stdout, "[DEBUG][L1]")
    assert [re.search(r"bnd_norm = (\w)", line)[1] for line in debug] == ["1", "2", "i"] * 6
    assert [line.split(",")[0] for line in printed[-3:]] == [
        f"[STATS][L0] info = {kind}" for kind in ("least", "random", "top2")
    ]


def test_untargeted_takes_the_least_of_each_image(tmp_path):
    folder = GOLDEN / "untargeted/mnist_2-layer"
    done = clever(folder, "--untargeted", cwd=tmp_path)
    debug = [numbers(line) for line in lines(done.stdout, "[DEBUG][L1]")]
    (image,) = lines(done.stdout, "[STATS][L1]")
    assert image.startswith("[STATS][L1] image =   0, n_classes =  10, clever_L1 = ")
    least = min(row["bnd"] for row, norm in zip(debug, "12i" * 9, strict=True) if norm == "2")
    assert numbers(image)["clever_L2"] == pytest.approx(least)
    (summary,) = lines(done.stdout, "[STATS][L0]")
    assert numbers(summary)["untargeted_clever_L2"] == pytest.approx(least)


def test_untargeted_files_are_left_out_otherwise(normal, tmp_path):
    for path in (GOLDEN / "untargeted/mnist_2-layer").glob("*.mat"):
        shutil.copy(path, normal)
    with_them = clever(normal, cwd=tmp_path)
    assert "left out 9 files of an untargeted run: score them with --untargeted" in with_them.stdout
    alone = clever(GOLDEN / NORMAL, cwd=tmp_path)
    assert l0(with_them.stdout) == l0(alone.stdout)


def test_min_takes_the_least_over_images(tmp_path):
    done = clever(GOLDEN / NORMAL, "--min", cwd=tmp_path)
    rows = [row for row in EXPECTED[NORMAL]["rows"] if row["info"] == "top2"]
    least = min(row["bnd"] for row in rows if row["bnd_norm"] == "2")
    assert l0(done.stdout)["top2"]["top2_clever_L2"] == pytest.approx(least, rel=1e-3)


def test_maxsamp_divides_by_the_largest(tmp_path):
    done = clever(GOLDEN / NORMAL, "--method", "maxsamp", cwd=tmp_path)
    first = lines(done.stdout, "[DEBUG][L1]")[0]
    contents = loadmat(GOLDEN / NORMAL / "1024_50_0_7_6_least_relu_order1.mat")
    assert numbers(first)["bnd"] == pytest.approx(
        contents["g_x0"].item() / contents["Gi_max"].max(), rel=1e-4
    )
    assert first.rpartition(", ")[2].startswith("bnd = ")


def test_mle_is_the_fit_without_penalty(tmp_path):
    plain = clever(GOLDEN / NORMAL, "--method", "mle", cwd=tmp_path)
    zero = clever(GOLDEN / NORMAL, "--shape_reg", 0, cwd=tmp_path)
    default = clever(GOLDEN / NORMAL, cwd=tmp_path)
    assert l0(plain.stdout) == l0(zero.stdout)
    assert l0(plain.stdout) != l0(default.stdout)


def test_num_samples_uses_the_first_maxima(normal, tmp_path):
    for path in normal.glob("*.mat"):
        contents = loadmat(path)
        contents.update({k: contents[k][:, :30] for k in ("G2_max", "G1_max", "Gi_max")})
        savemat(path, {k: v for k, v in contents.items() if not k.startswith("__")})
    cut = clever(normal, cwd=tmp_path)
    asked = clever(GOLDEN / NORMAL, "--num_samples", 30, cwd=tmp_path)
    assert l0(asked.stdout) == l0(cut.stdout)


def test_num_samples_above_what_a_file_has_skips_it(normal, tmp_path):
    shutil.copy(
        GOLDEN / "l1/mnist_2-layer/1024_100_0_7_3_top2_relu_order1.mat",
        normal / "1024_50_5_7_3_top2_relu_order1.mat",
    )
    done = clever(normal, "--num_samples", 60, cwd=tmp_path)
    assert done.returncode == 0
    assert len(lines(done.stdout, "warning: skipped")) == 6
    assert len(lines(done.stdout, "[DEBUG]")) == 3


def test_num_images_takes_the_first_files(tmp_path):
    done = clever(GOLDEN / NORMAL, "--num_images", 2, cwd=tmp_path)
    assert [line.rpartition("/")[2] for line in lines(done.stdout, "[Filename]")] == [
        "1024_50_0_7_6_least_relu_order1.mat",
        "1024_50_0_7_8_random_relu_order1.mat",
    ]


def test_user_type_names_user_targets(normal, tmp_path):
    for path in normal.glob("*_top2_*"):
        contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        savemat(path.with_name(path.name.replace("top2", "user")), contents | {"info": "user"})
        path.unlink()
    assert "user" in l0(clever(normal, cwd=tmp_path).stdout)
    assert "chosen" in l0(clever(normal, "--user_type", "chosen", cwd=tmp_path).stdout)


def test_experiments_are_scored_apart(normal, tmp_path):
    shutil.copytree(GOLDEN / "l1/mnist_2-layer", normal / "l1")
    done = clever(normal, "--plot_dir", "plots", "--num_images", 1, cwd=tmp_path)
    assert len(lines(done.stdout, "===")) == 2
    assert len(lines(done.stdout, "[STATS][L0]")) == 2
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "1024_50_relu_order1",
        "1024_100_relu_order1",
    }


def test_plots_have_the_names_of_2018(normal, tmp_path):
    done = clever(normal, "--plot_dir", "plots", "--num_images", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert made == [f"Fig_mnist-normal_least_0_7_6_Nsamp_50_L{norm}.png" for norm in "12i"]
    assert (tmp_path / "plots" / made[0]).read_bytes().startswith(b"\x89PNG")
    assert lines(done.stdout, "[Figname]")[0] == f"[Figname] plots/{made[0]}"


def test_experiments_of_two_folders_do_not_overwrite_each_others_plots(tmp_path):
    for save in ("one", "two"):
        shutil.copytree(GOLDEN / NORMAL, tmp_path / save / "mnist_normal")
    done = clever("one", "two", "--plot_dir", "p", "--num_images", 1, cwd=tmp_path)
    named = {line.split()[1] for line in lines(done.stdout, "[Figname]")}
    assert len(named) == 6
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")} == named


def test_maxima_that_were_not_fitted_are_drawn_without_a_density(tmp_path):
    file = GOLDEN / NORMAL / "1024_50_0_7_6_least_relu_order1.mat"
    done = clever(file, "--method", "maxsamp", "--plot_dir", "plots", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(list((tmp_path / "plots").iterdir())) == 3


def test_a_plot_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = clever(GOLDEN / NORMAL, "--plot_dir", "file", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["clever.py: file: File exists"]


def test_a_missing_class_is_said(tmp_path):
    folder = shutil.copytree(GOLDEN / "untargeted/mnist_2-layer", tmp_path / "mnist_2-layer")
    next(folder.glob("*_class4_*")).unlink()
    done = clever(folder, "--untargeted", cwd=tmp_path)
    assert "warning: image 0: 1 classes have no file" in done.stdout


def test_a_file_named_twice_counts_once(tmp_path):
    once = clever(GOLDEN / NORMAL, cwd=tmp_path)
    file = GOLDEN / NORMAL / "1024_50_0_7_6_least_relu_order1.mat"
    twice = clever(GOLDEN / NORMAL, file, GOLDEN / NORMAL / ".", cwd=tmp_path)
    assert lines(twice.stdout, "[") == lines(once.stdout, "[")


def test_a_file_that_is_being_written_is_not_read(normal, tmp_path):
    (normal / ".123.1024_50_9_7_6_least_relu_order1.mat").write_bytes(b"half")
    assert clever(normal, cwd=tmp_path).returncode == 0


def test_maxima_that_hardly_differ_are_drawn(tmp_path):
    contents = loadmat(GOLDEN / NORMAL / "1024_50_0_7_6_least_relu_order1.mat")
    contents = {k: v for k, v in contents.items() if not k.startswith("__")}
    nearly = 2.5 + 4.5e-16 * np.arange(3)
    contents |= dict.fromkeys(("G2_max", "G1_max", "Gi_max"), nearly)
    savemat(tmp_path / "1024_3_0_7_6_least_relu_order1.mat", contents)
    done = clever(tmp_path, "--plot_dir", "plots", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_truncated_file_is_named_and_the_rest_is_scored(normal, tmp_path):
    spoiled = normal / "1024_50_0_7_6_least_relu_order1.mat"
    spoiled.write_bytes(spoiled.read_bytes()[:1500])
    done = clever(normal, cwd=tmp_path)
    assert done.returncode == 1
    assert f"skipped {spoiled}" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines(done.stdout, "[DEBUG]")) == 15


def test_a_foreign_file_is_named(normal, tmp_path):
    savemat(normal / "results.mat", {"x": 1})
    savemat(normal / "1024_50_9_7_6_least_relu_order1.mat", {"x": 1})
    done = clever(normal, cwd=tmp_path)
    assert done.returncode == 1
    assert len(lines(done.stderr, "skipped")) == 2


@pytest.mark.parametrize(
    ("maxima", "reason"), [(np.full(50, 2.0), "all maxima are equal"), ([1.0, 2.0], "fewer than 3")]
)
def test_what_cannot_be_fitted_is_scored_by_its_maximum(tmp_path, maxima, reason):
    contents = loadmat(GOLDEN / NORMAL / "1024_50_0_7_6_least_relu_order1.mat")
    contents = {k: v for k, v in contents.items() if not k.startswith("__")}
    contents |= dict.fromkeys(("G2_max", "G1_max", "Gi_max"), np.asarray(maxima))
    savemat(tmp_path / "1024_50_0_7_6_least_relu_order1.mat", contents)
    done = clever(tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    debug = lines(done.stdout, "[DEBUG]")[0]
    assert "ks = -1, pVal = -1, shape = -1, loc = -2, scale = -1" in debug
    assert numbers(debug)["bnd"] == pytest.approx(30.823 / 2, rel=1e-4)
    assert reason in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], "no .mat files in empty: sample with collect_gradients.py first"),
        (["nowhere"], "nowhere does not exist"),
        ([GOLDEN / NORMAL, "--untargeted"], "sample with --target_type 16"),
        ([GOLDEN / "untargeted"], "score them with --untargeted"),
        ([GOLDEN / NORMAL, "--num_samples", "-1"], "--num_samples"),
        ([GOLDEN / NORMAL, "--num_samples", "51"], "choose a smaller --num_samples"),
        ([GOLDEN / NORMAL, "--shape_reg", "-1"], "--shape_reg"),
        ([GOLDEN / NORMAL, "--order", "2"], "--order 2: there are files of 1"),
        ([GOLDEN / NORMAL, "--activation", "elu"], "--activation elu: there are files of relu"),
    ],
)
def test_bad_input_gets_one_line(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    done = clever(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def spoil(path, **change):
    contents = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, contents | change)


def test_scores_without_a_gradient_are_infinite_and_left_out_of_the_average(normal, tmp_path):
    """Of the two images' files of the kind `least` one has no gradient: the other is the mean."""
    alone, masked = sorted(normal.glob("*_least_*"))
    spoil(masked, **{key: np.zeros(50) for key in ("G1_max", "G2_max", "Gi_max")})
    done = clever(normal, "--method", "maxsamp", cwd=tmp_path)
    assert done.returncode == 0
    assert "id = 1, true_label = 2, target_label = 5" in done.stdout
    assert "bnd_norm = 2, bnd = inf" in done.stdout
    assert (
        "warning: 1 of 2 scores of least in L2 are infinite (gradients of zero, or nearly)"
        in done.stdout
    )
    contents = loadmat(alone, squeeze_me=True)
    score = float(contents["g_x0"]) / contents["G2_max"].max()
    assert l0(done.stdout)["least"]["least_clever_L2"] == pytest.approx(score, rel=1e-4)
    assert [line.split()[0] for line in done.stdout.splitlines()[-3:]] == ["[STATS][L0]"] * 3


def test_scores_that_are_all_infinite_have_an_infinite_average(normal, tmp_path):
    for path in normal.glob("*_least_*"):
        spoil(path, **{key: np.zeros(50) for key in ("G1_max", "G2_max", "Gi_max")})
    done = clever(normal, cwd=tmp_path)
    assert "least_clever_L1 = inf, least_clever_L2 = inf, least_clever_Li = inf" in done.stdout


def test_slopes_that_were_not_sampled_are_said(normal, tmp_path):
    done = clever(normal, "--use_slope", cwd=tmp_path)
    assert done.returncode == 1
    assert "6 files hold no slopes: score them without --use_slope" in done.stderr


def test_files_without_slopes_are_left_out_beside_those_that_have_them(normal, tmp_path):
    shutil.copytree(GOLDEN / "slope/mnist_2-layer", normal / "slope")
    done = clever(normal, "--use_slope", cwd=tmp_path)
    assert done.returncode == 0
    assert "left out 6 files that hold no slopes" in done.stdout
    alone = clever(GOLDEN / "slope/mnist_2-layer", "--use_slope", cwd=tmp_path)
    assert l0(done.stdout) == l0(alone.stdout)


def test_a_reader_that_goes_away_is_no_traceback():
    """As a process of its own, whose output is a pipe."""
    command = f"{sys.executable} clever.py tests/data/golden/l2/mnist_2-layer | head -1"
    # a shell makes the pipe
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)  # noqa: S602
    assert done.stderr == ""


def test_each_fit_is_followed_by_its_interval_and_the_means_come_last(tmp_path):
    folder = "l2/mnist_2-layer"
    done = clever(GOLDEN / folder, cwd=tmp_path)
    printed = [line for line in done.stdout.splitlines() if line.startswith("[")]
    fits = [place for place, line in enumerate(printed) if line.startswith("[DEBUG][L1]")]
    assert len(fits) == len(EXPECTED[folder]["rows"])
    for place in fits:
        fit, interval = numbers(printed[place]), numbers(printed[place + 1])
        assert printed[place + 1].startswith("[INTERVAL][L1] id = ")
        assert interval["low"] < fit["bnd"] == interval["bnd"] < interval["high"]
        assert interval["level"] == 0.95
    tags = [re.match(r"(\[\w+\])+", line)[0] for line in printed[-6:]]
    assert tags == ["[INTERVAL][L0]"] * 3 + ["[STATS][L0]"] * 3
    for ends, mean in zip(printed[-6:-3], printed[-3:], strict=True):
        ends = numbers(ends)
        for name, value in numbers(mean).items():
            assert ends[f"{name}_low"] < value < ends[f"{name}_high"]


def test_a_higher_level_gives_wider_intervals(normal, tmp_path):
    narrow, wide = (
        [
            numbers(each)
            for each in lines(clever(normal, "--level", level, cwd=tmp_path).stdout, "[INT")
        ]
        for level in (0.5, 0.99)
    )
    for one, other in zip(narrow, wide, strict=True):
        assert other["low"] < one["low"] < one["high"] < other["high"]


def test_scores_that_cannot_have_an_interval_say_so(normal, tmp_path):
    done = clever(normal, "--num_samples", 2, cwd=tmp_path)
    assert (
        len(lines(done.stdout, "[INTERVAL][L1]"))
        == done.stdout.count("low = nan, high = nan")
        == 18
    )
    assert not lines(clever(normal, "--method", "maxsamp", cwd=tmp_path).stdout, "[INTERVAL]")


def test_scores_stand_beside_the_attacks(normal, tmp_path):
    """The score of image 0, class 9, is 2.6713, and those of image 1 are below 3."""
    for path in normal.iterdir():
        distance = 2.4 if "_0_7_9_" in path.name else 3.4
        found = Attacked(dict.fromkeys("12i", distance), dict.fromkeys("12i", True))
        matfile.add(path, matfile.attack(found))
    done = clever(normal, "--table", 2, cwd=tmp_path)
    of_l2 = [each for each in lines(done.stdout, "[ATTACK][L1]") if "norm = 2," in each]
    refuted = "id = 0, target_label = 9, info = top2, norm = 2, distance = 2.4, bnd = 2.6713, "
    assert f"[ATTACK][L1] {refuted}ratio = 1.113, verdict = REFUTED" in of_l2
    assert sum("REFUTED" in each for each in of_l2) == 1
    l0 = lines(done.stdout, "[ATTACK][L0] info = top2, norm = 2")
    assert l0 == [
        "[ATTACK][L0] info = top2, norm = 2, pairs = 2, median_ratio = 0.86654, refuted = 1"
    ]
    assert (
        "    0    7      9 top2     2.671     1.283 to 2.89         2.4        1.11   REFUTED"
        in done.stdout
    )
    assert done.stdout.splitlines()[-1].startswith("[STATS][L0]")
    without = clever(GOLDEN / NORMAL, cwd=tmp_path)
    assert "ATTACK" not in without.stdout


def test_a_cap_needs_files_that_tell_what_was_sampled(normal, tmp_path):
    done = clever(normal, "--cap", cwd=tmp_path)
    assert done.returncode == 2
    said = "clever.py: --cap: some files do not tell how far they sampled, as files of 2018 do not"
    assert done.stderr.splitlines() == [said]
    limits = {f"{kind}_L{p}": 1e9 for kind in ("farthest", "sampled") for p in "12i"}
    for path in normal.iterdir():
        matfile.add(path, limits | {"sampled_L2": 2.5})
    done = clever(normal, "--cap", cwd=tmp_path)
    bounds = [numbers(each)["bnd"] for each in lines(done.stdout, "[DEBUG]") if "norm = 2," in each]
    assert max(bounds) == 2.5 > min(bounds)
    assert "distances that were sampled, and are printed as these" in done.stdout


@pytest.mark.parametrize(
    ("ball", "radius", "norm", "advice"),
    [
        ("l2", 3.0, "2", "--radius 5.2"),  # a score of 5, and a little more
        ("l2", 3.0, "i", "--sample_norm li --radius 5.2"),  # 5 sqrt(n) is too far
        ("l2", 4.0, "i", "--sample_norm li --radius 5.2"),
        ("li", 3.0, "1", "--radius 5.2"),
        ("li", 0.1, "1", "--sample_norm l1 --radius 5.2"),
        (None, None, "2", ""),
    ],
)
def test_the_advice_is_a_ball_that_holds_the_score(ball, radius, norm, advice):
    record = matfile.load(next((GOLDEN / NORMAL).glob("*_least_*")))
    sampled = radii_inside(Ball(ball, 0, radius), 784) if ball else dict.fromkeys("12i", 1.0)
    record = replace(
        record,
        g_x0=5.0,
        maxima={p: np.ones(3) for p in "12i"},
        limits=Limits({"1": 700.0, "2": 20.0, "i": 10.0}, sampled),
        provenance={"sample_norm": ball, "radius": radius} if ball else {},
    )
    (score,) = [each for each in scoring.score([record], "maxsamp") if each.norm == norm]
    assert remarks.options_to_reach(score) == advice
