"""Networks and images of the user's by their places: the numbers of a name, or one line."""

import re
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

import setup_digits
from lipschitz.tf_backend.runtime import keras, tf
from tests.helpers import lines, run_here

layers = keras.layers
SIZES = "-N", 32, "-b", 32, "-i", 2, "--nthreads", 1, "--target_type", 1
BOX = "--input_range", -0.5, 0.5
DIGITS = setup_digits.load()


def collect(here, *arguments):
    return run_here("collect_gradients.py", *arguments, *SIZES, cwd=here)


def maxima(folder):
    """The arrays of all files of a run, by the files' names."""
    return {path.name: scipy.io.loadmat(path) for path in sorted(folder.glob("*.mat"))}


def assert_same(found, expected, **tolerance):
    assert found.keys() == expected.keys()
    for name, contents in found.items():
        for key in ("g_x0", "G1_max", "G2_max", "Gi_max"):
            np.testing.assert_allclose(contents[key], expected[name][key], **tolerance)


# Networks --------------------------------------------------------------------


@pytest.fixture(scope="module")
def built_in(digits_folder, tmp_path_factory):
    """A folder with the digits network, what it gives under its name, and it with a softmax."""
    folder = tmp_path_factory.mktemp("networks")
    shutil.copytree(digits_folder / "models", folder / "models")
    done = collect(folder, "-d", "digits", "-m", "2-layer", "-n", 2)
    assert done.returncode == 0, done.stderr
    model = keras.saving.load_model(folder / "models" / "digits_2layer.keras")
    softmax = keras.Sequential([*model.layers, layers.Softmax()])
    return folder, maxima(folder / "lipschitz_mat" / "digits_2-layer"), softmax


def as_keras(model, folder):
    model.save(folder / "mine.keras")
    return folder / "mine.keras"


def as_hdf5(model, folder):
    model.save(folder / "mine.h5")
    return folder / "mine.h5"


def as_saved_model(model, folder):
    model.export(folder / "mine", verbose=False)
    return folder / "mine"


def as_graph(model, folder):
    from tensorflow.python.framework import convert_to_constants

    call = tf.function(lambda x: model(x, training=False))
    concrete = call.get_concrete_function(tf.TensorSpec((None, 28, 28, 1)))
    frozen = convert_to_constants.convert_variables_to_constants_v2(concrete)
    (folder / "mine.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return folder / "mine.pb"


def as_function(model, folder):
    model.save(folder / "inner.keras")
    (folder / "my_networks.py").write_text(
        "import keras\n"
        "def mine():\n"
        "    model = keras.saving.load_model('inner.keras')\n"
        "    images = keras.Input((28, 28, 1))\n"
        "    return keras.Model(images, model(keras.layers.Lambda(lambda x: 1 * x)(images)))\n"
    )
    return "my_networks:mine"


def as_onnx(model, folder):
    """The two layers, softplus(10 x) / 10 between them, and the softmax, node by node."""
    onnx = pytest.importorskip("onnx")
    first, first_bias, last, last_bias = map(np.asarray, model.get_weights())
    constants = {"w": first, "b": first_bias, "v": last, "c": last_bias, "ten": np.float32(10)}
    steps = ["Flatten x", "MatMul 0 w", "Add 1 b", "Mul 2 ten", "Softplus 3", "Div 4 ten"]
    steps += ["MatMul 5 v", "Add 6 c", "Softmax 7"]
    nodes = []
    for place, step in enumerate(steps):
        kind, *taken = step.split()
        nodes.append(onnx.helper.make_node(kind, taken, [str(place)]))
    graph = onnx.helper.make_graph(
        nodes,
        "net",
        [onnx.helper.make_tensor_value_info("x", 1, ["batch", 28, 28, 1])],
        [onnx.helper.make_tensor_value_info("8", 1, ["batch", 10])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    sets = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=sets), folder / "mine.onnx")
    return folder / "mine.onnx"


SAVED = [as_keras, as_hdf5, as_saved_model, as_graph, as_function]


@pytest.mark.parametrize("save", [*SAVED, pytest.param(as_onnx, marks=pytest.mark.extra)])
def test_a_place_of_a_network_gives_the_numbers_of_the_built_in_one(built_in, tmp_path, save):
    """With a softmax at its end, which is taken off."""
    _, expected, softmax = built_in
    place = save(softmax, tmp_path)
    done = collect(tmp_path, "-d", "digits", "-m", place, *BOX, "-n", 2)
    assert done.returncode == 0, done.stderr
    assert "the softmax at the network's end is taken off" in done.stderr
    assert re.search(r"digits: 257 images, 10 classes, 2\d\d of 257 classified", done.stderr)
    (folder,) = (tmp_path / "lipschitz_mat").iterdir()
    assert folder.name == ("digits_my_networks.mine" if save is as_function else "digits_mine")
    assert_same(maxima(folder), expected, rtol=1e-5)


# Images ----------------------------------------------------------------------

PIXELS = np.rint(255 * (DIGITS.test_data[:12] + 0.5)).astype(np.uint8)[..., 0]
LABELS = DIGITS.test_labels[:12].argmax(axis=1)


@pytest.fixture(scope="module")
def of_arrays(built_in):
    """What the network gives for 12 digits in an .npz, in that folder."""
    folder, *_ = built_in
    np.savez(folder / "digits12.npz", x_test=PIXELS, y_test=LABELS)
    return folder, sampled(folder, "digits12.npz")


def sampled(folder, place, *more):
    """The maxima around the images of a place, which is scored with the digits network."""
    network = folder / "models" / "digits_2layer.keras"
    done = collect(folder, "-m", network, *BOX, "-d", place, "-n", 3, "-s", folder / "out", *more)
    assert done.returncode == 0, done.stderr
    (results,) = (folder / "out").iterdir()
    found = maxima(results)
    shutil.rmtree(folder / "out")
    return found


def test_the_margins_are_those_of_the_model_itself(of_arrays):
    folder, found = of_arrays
    model = keras.saving.load_model(folder / "models" / "digits_2layer.keras")
    for contents in found.values():
        image, true, target = (contents[key].item() for key in ("id", "true_label", "target_label"))
        logits = model(PIXELS[image : image + 1, ..., None] / np.float32(255) - np.float32(0.5))[0]
        np.testing.assert_allclose(
            contents["g_x0"].item(), logits[true] - logits[target], rtol=1e-5
        )


def as_floats(folder):
    np.savez(folder / "floats.npz", images=PIXELS / 255 - 0.5, labels=np.eye(10)[LABELS])
    return ("floats.npz",)


def as_named_arrays(folder):
    np.savez(folder / "named.npz", a=PIXELS, b=LABELS, c=np.zeros(12))
    return "named.npz", "--arrays", "a,b"


def as_pictures(folder):
    """Class folders, whose sorted names do not keep the order of the images."""
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        of_class = folder / "pictures" / f"class {label}"
        of_class.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(of_class / f"{number}.png")
    for label in range(10):
        (folder / "pictures" / f"class {label}").mkdir(exist_ok=True)
    return ("pictures/",)


def as_table(folder):
    header = ",".join(["digit", *(f"pixel{place}" for place in range(784))])
    rows = np.column_stack([LABELS, PIXELS.reshape(12, 784)])
    np.savetxt(folder / "rows.csv", rows, "%d", ",", header=header, comments="")
    return "rows.csv", "--label", "digit"


def as_function_of_images(folder):
    (folder / "my_images.py").write_text(
        "import numpy as np, tensorflow as tf\n"
        "def digits():\n"
        "    file = np.load('digits12.npz')\n"
        "    pairs = file['x_test'], file['y_test']\n"
        "    return tf.data.Dataset.from_tensor_slices(pairs).batch(5)\n"
    )
    return ("my_images:digits",)


@pytest.mark.parametrize("save", [as_floats, as_named_arrays, as_table, as_function_of_images])
def test_a_place_of_images_gives_the_numbers_of_the_arrays(of_arrays, save):
    folder, expected = of_arrays
    assert_same(sampled(folder, *save(folder)), expected, rtol=1e-5)


def test_pictures_in_class_folders_are_numbered_in_sorted_order(of_arrays):
    """And an id in a file may be the name of a picture."""
    folder, expected = of_arrays
    (place,) = as_pictures(folder)
    (folder / "ids.csv").write_text("id\n2.png\n")
    done = collect(
        folder, "-m", "models/digits_2layer.keras", *BOX, "-d", place, "--ids", "ids.csv"
    )
    assert done.returncode == 0, done.stderr
    label = LABELS[2]
    order = np.lexsort([[str(number) for number in range(12)], LABELS]).tolist()
    assert f"image {order.index(2)} is class {label}/2.png" in done.stdout
    (found,) = maxima(folder / "lipschitz_mat" / "pictures_digits_2layer").values()
    (of_image,) = [each for name, each in expected.items() if name.split("_")[2] == "2"]
    np.testing.assert_allclose(found["g_x0"], of_image["g_x0"], rtol=1e-5)
    # what the file keeps for people to see
    assert found["image_name"].item() == f"class {label}/2.png"
    assert found["true_name"].item() == f"class {label}"
    assert found["target_name"].item() == f"class {found['target_label'].item()}"
    np.testing.assert_array_equal(found["picture"], PIXELS[2])
    assert found["input_shape"].ravel().tolist() == [28, 28, 1]


def test_without_labels_the_prediction_counts_as_true(of_arrays):
    folder, expected = of_arrays
    np.save(folder / "unlabelled.npy", PIXELS)
    done = collect(
        folder, "-m", "models/digits_2layer.keras", *BOX, "-d", "unlabelled.npy", "-n", 3
    )
    assert "no labels: what the network predicts counts as the true class" in done.stderr
    assert_same(maxima(folder / "lipschitz_mat" / "unlabelled_digits_2layer"), expected, rtol=1e-5)


def test_features_are_sampled_in_their_own_ranges(tmp_path):
    """A linear network: the gradient is that of its weights, whatever the ranges are."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=20), rng.uniform(100, 200, 20), np.full(20, 7.0)])
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    kernel = np.float32([[1, -1], [0.02, 0], [0, 5]])
    model.set_weights([kernel, np.float32([0, 0])])
    (tmp_path / "my networks").mkdir()
    model.save(tmp_path / "my networks" / "my_net.keras")
    labels = model(rows).numpy().argmax(axis=1)
    table = np.column_stack([rows, labels])
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header="a,b,c,label", comments="")
    place = "my networks/my_net.keras"
    refused = collect(tmp_path, "-m", place, "-d", "t.csv")
    assert "t.csv is a table, whose columns have no common unit: give --radius" in refused.stderr
    done = collect(tmp_path, "-m", place, "-d", "t.csv", "--radius", 50)
    assert done.returncode == 0, done.stderr
    assert "t.csv: 20 rows of 3 values (float64, -" in done.stderr
    assert "scores are distances in the units of the table" in done.stderr
    (found,) = maxima(tmp_path / "lipschitz_mat" / "t_my_net" / "radius50.0").values()
    np.testing.assert_allclose(found["G1_max"], 2 + 0.02 + 5, rtol=1e-5)

    scored = run_here("clever.py", "lipschitz_mat", cwd=tmp_path)
    assert "dataset = t" in scored.stdout
    (tmp_path / "scores.log").write_text(scored.stdout)
    table = run_here("process_log.py", "scores.log", cwd=tmp_path).stdout
    assert lines(table, "[L0] model = t my_net radius50.0, Nimg = 1, ")


# What is wrong ---------------------------------------------------------------


def refusal(here, *arguments):
    """The one line of an error."""
    done = collect(here, *arguments)
    *before, last = done.stderr.splitlines()
    assert done.returncode == 2, done.stderr
    assert all("taken off" in line for line in before)
    return last


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """A folder with a small network of 0 to 1 and files that do not go with it."""
    here = tmp_path_factory.mktemp("wrong")
    keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, "softmax")]
    ).save(here / "net.keras")
    (here / "models").mkdir()
    keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)]).save(
        here / "models" / "logits.keras"
    )
    images = keras.Input((28, 28, 1)), keras.Input((3,))
    joined = layers.Concatenate()([layers.Flatten()(images[0]), images[1]])
    keras.Model(images, layers.Dense(3)(joined)).save(here / "two_inputs.keras")
    good = PIXELS[..., None] / np.float32(255)
    holes = good.copy()
    holes[3, 5, 5] = np.nan
    arrays = {
        "good": {"x": good, "y": LABELS},
        "in_255": {"x": 255 * good, "y": LABELS},
        "nearly": {"x": good * np.float32(1.001), "y": LABELS},
        "normalized": {"x": (good - 0.3) / 0.3, "y": LABELS},
        "in_16": {"x": np.rint(16 * good).astype(np.uint8), "y": LABELS},
        "colours": {"x": np.repeat(good, 3, axis=-1), "y": LABELS},
        "holes": {"x": holes, "y": LABELS},
        "ragged": {"x": good, "y": LABELS[:-1]},
        "from_1": {"x": good, "y": np.append(LABELS[1:] + 1, 10)},
        "unknown": {"first": good, "second": LABELS},
        "pickled": {"x": np.array([good, None], dtype=object), "y": LABELS},
    }
    for name, contents in arrays.items():
        np.savez(here / f"{name}.npz", **contents)
    (here / "empty").mkdir()
    return here


@pytest.mark.parametrize(
    ("network", "images", "said"),
    [
        ("net.keras", "in_255.npz", "have values from 0 to 255, the network takes 0 to 1; if it"),
        ("net.keras", "in_255.npz", "takes these, give --input_range 0 255"),
        ("net.keras", "nearly.npz", "clip them to 0 and 1"),
        ("net.keras", "normalized.npz", "if they are normalized, give them as they were, with --m"),
        ("net.keras", "in_16.npz", "in_16.npz: the images are whole numbers from 0 to 16"),
        ("net.keras", "colours.npz", "the images are 28x28x3, the network takes 28x28x1"),
        ("net.keras", "holes.npz", "image 3 has values that are not finite"),
        ("net.keras", "ragged.npz", "there are 12 images and 11 labels"),
        ("net.keras", "from_1.npz", "labels go from 1 to 10, the network has the classes 0 to 9"),
        ("net.keras", "unknown.npz", "it has first (float32 12x28x28x1), second (int64 12)"),
        ("net.keras", "unknown.npz", "--arrays IMAGES,LABELS"),
        ("net.keras", "pickled.npz", "Python objects"),
        ("net.keras", "empty/", "there are no pictures"),
        ("net.keras", "good.npy", "good.npy not found, but there is good.npz"),
        ("net.keras", "good", "no data set named 'good': choose from mnist, cifar, digits, imagen"),
        ("net.kears", "good.npz", "or is it net.keras?"),
        ("logits.keras", "good.npz", "not found, but there is models/logits.keras"),
        ("nets/net.keras", "good.npz", "nets/net.keras not found"),
        ("two_inputs.keras", "good.npz", "the model has 2 inputs"),
        ("nowhere:make", "good.npz", "there is no module 'nowhere'"),
        ("2-layer", "good.npz", "there is no network of this name for good.npz"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line(there, network, images, said):
    assert said in refusal(there, "-m", network, "-d", images)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("-m 2-layer --input_range 0 1", "--input_range is for a network of your own, and 2-layer"),
        ("-d digits --label x", "--label is for images of your own, and digits is a name"),
        ("-m net.keras -d good.npz --input_range 1 0", "black comes first"),
        ("-m net.keras -d good.npz --mean 1 2 --std 1 2 3", "2 numbers in --mean and 3 in --std"),
        ("-m net.keras -d good.npz --input_range 0 255", "hardly any of the 0 to 255 that the"),
        ("-m net.keras -d good.npz --input_range 0 255", "give --input_range 0 1"),
        (
            "-m models/logits.keras -d good.npz --outputs probabilities",
            "its outputs are no probabilities: for grey images they are ",
        ),
        ("-m net.keras -d good.npz --std 0", "--std: 0: give a number above 0"),
        ("-m net.keras -d good.npz --mean 1 1 1", "there are 3 means, one for each channel"),
        ("-m net.keras -d good.npz --tensors a", "give two names with a comma between them"),
    ],
)
def test_options_that_do_not_fit_are_told_in_a_line(there, arguments, said):
    assert said in refusal(there, *arguments.split())


def test_a_better_range_is_told_with_the_option(there, tmp_path):
    """A network of 0 to 255 that is given 0 to 1."""
    shutil.copy(there / "good.npz", tmp_path)
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])
    means = [
        255 * (DIGITS.train_data[DIGITS.train_labels[:, k] == 1].mean(0) + 0.5) for k in range(10)
    ]
    kernel = np.reshape(means, (10, -1)).T
    model.set_weights([kernel, -(kernel**2).sum(axis=0) / 2])  # the nearest mean
    model.save(tmp_path / "net.keras")
    pixels = np.rint(255 * (DIGITS.test_data + 0.5)).astype(np.uint8)
    np.savez(tmp_path / "all.npz", x=pixels, y=DIGITS.test_labels.argmax(axis=1))
    done = collect(tmp_path, "-m", "net.keras", "-d", "all.npz")
    (warning,) = [each for each in lines(done.stderr, "warning: ") if "better on" in each]
    assert "values in [0, 255]: " in warning
    assert "it gets values in [0, 1]; if it was trained on others, give --input_range 0 255" in (
        warning
    )


def test_floats_keep_their_range_and_get_a_mean_and_std(tmp_path, there):
    """A network of [-1, 1] that meets floats from 0 to 1: what is advised mends it."""
    center = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])
    means = [2 * DIGITS.train_data[DIGITS.train_labels[:, k] == 1].mean(0) for k in range(10)]
    kernel = np.reshape(means, (10, -1)).T
    center.set_weights([kernel, -(kernel**2).sum(axis=0) / 2])  # the nearest mean
    center.save(tmp_path / "net.keras")
    labels = DIGITS.test_labels.argmax(axis=1)
    np.savez(tmp_path / "all.npz", x=DIGITS.test_data + 0.5, y=labels)
    done = collect(tmp_path, "-m", "net.keras", "-d", "all.npz")
    (warning,) = [each for each in lines(done.stderr, "warning: ") if "better on" in each]
    assert "if it was trained on others, give --mean 0.5 --std 0.5" in warning
    done = collect(tmp_path, "-m", "net.keras", "-d", "all.npz", "--mean", 0.5, "--std", 0.5)
    assert "better on" not in done.stderr
