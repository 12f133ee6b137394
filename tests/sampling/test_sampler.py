"""The sampler: determinism, what its workers leave behind, and what it says when they fail."""

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

import setup_digits
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.builtin.activations import ACTIVATIONS
from lipschitz.builtin.architectures import seven_layer, two_layer
from lipschitz.maths.ball import ball
from lipschitz.sampling.pool import Workers
from lipschitz.sampling.worker import Batch, Neighbourhood, draw
from lipschitz.support import machine
from lipschitz.support.errors import ImageError, RunError
from lipschitz.tf_backend.network import Network, keras_network
from lipschitz.tf_backend.runtime import tf

KEYS = ("G2_max", "G1_max", "Gi_max", "pred", "g_x0")


def in_shared_memory():
    return set(os.listdir("/dev/shm"))


def test_runs_are_the_same_to_the_bit_for_1_2_and_4_workers(workplace, run_here, monkeypatch):
    drawn_by = []
    close = Workers.close

    def note_and_close(workers):
        drawn_by.append(dict(workers.drawn_by))
        close(workers)

    monkeypatch.setattr(Workers, "close", note_and_close)
    for count in (1, 2, 4):
        arguments = f"-d digits -m 2-layer -N 2048 -b 256 -i 3 --nthreads {count} -s w{count}"
        assert run_here("collect_gradients.py", *arguments.split(), cwd=workplace).returncode == 0
        assert len(drawn_by[-1]) == count  # so many processes drew
        assert min(drawn_by[-1].values()) >= 24 // count
    files = sorted(path.name for path in (workplace / "w1/digits_2-layer").iterdir())
    assert len(files) == 3
    for file in files:
        one, *others = (loadmat(f"w{count}/digits_2-layer/{file}") for count in (1, 2, 4))
        for other in others:
            assert all(np.array_equal(one[key], other[key]) for key in KEYS)


def test_batches_are_those_of_the_key_whoever_draws_them():
    around = Neighbourhood(np.zeros(50, np.float32), ball("l1"), 3, 9)
    with Workers(count=3, batch_size=64, values=50) as workers:
        got = np.concatenate([batch.copy() for batch in workers.batches(around, 4, 2)])
    expected = np.empty((8, 64, 50), np.float32)
    for k, out in enumerate(expected):
        draw(out, around, Batch(0, k // 2, k % 2 * 64))
    np.testing.assert_array_equal(got, expected.reshape(-1, 50))


def test_an_image_left_in_the_middle_does_not_reach_into_the_next():
    first = Neighbourhood(np.zeros(50, np.float32), ball("l2"), 3, 1)
    second = first._replace(image=2)
    with Workers(count=2, batch_size=64, values=50) as workers:
        next(workers.batches(first, 10, 1))
        after = [batch.copy() for batch in workers.batches(second, 3, 1)]
    with Workers(count=2, batch_size=64, values=50) as workers:
        alone = [batch.copy() for batch in workers.batches(second, 3, 1)]
    np.testing.assert_array_equal(after, alone)


def test_a_segment_has_no_name():
    before = in_shared_memory()
    array, descriptor = machine.create((4, 1000))
    assert in_shared_memory() == before
    array[:] = 7
    assert (machine.attach(descriptor, (4, 1000)) == 7).all()
    os.close(descriptor)


def test_shared_memory_that_is_too_small_is_said():
    before, open_files = in_shared_memory(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(RunError, match=r"has no room for a batch: it has [\d.]+ MB, 4398046.5 MB"):
        Workers(count=1, batch_size=2**30, values=2**10)
    assert in_shared_memory() == before
    assert len(os.listdir("/proc/self/fd")) == open_files


def test_ctrl_c_while_a_segment_is_made_leaves_none(monkeypatch):
    make = machine.posix_ipc.SharedMemory

    def make_and_be_interrupted(*args, **settings):
        make(*args, **settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(machine.posix_ipc, "SharedMemory", make_and_be_interrupted)
    before = in_shared_memory()
    with pytest.raises(KeyboardInterrupt):
        machine.create((10,))
    assert in_shared_memory() == before


def test_workers_end_with_their_block():
    with Workers(count=2, batch_size=32, values=10) as workers:
        around = Neighbourhood(np.zeros(10, np.float32), ball("l2"), 3, 1)
        assert sum(1 for _ in workers.batches(around, 4, 1)) == 4
        processes = list(workers.drawn_by)
    assert len(processes) == 2
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


AROUND = Neighbourhood(np.zeros(10, np.float32), ball("l2"), 3, 1)


def test_what_a_killed_worker_owed_another_draws(capsys):
    with Workers(count=2, batch_size=32, values=10) as workers:
        undisturbed = [batch.copy() for batch in workers.batches(AROUND, 30, 1)]
    got = []
    with Workers(count=2, batch_size=32, values=10) as workers:
        for batch in workers.batches(AROUND, 30, 1):
            got.append(batch.copy())
            if len(got) in (1, 7, 20):
                os.kill(list(workers.drawn_by)[-1], signal.SIGKILL)
    np.testing.assert_array_equal(got, undisturbed)
    said = "a sampling worker was killed by SIGKILL: another draws its samples again\n"
    assert capsys.readouterr().err == 3 * said


def test_workers_that_are_killed_again_and_again_end_the_run(monkeypatch):
    monkeypatch.setattr(
        "lipschitz.sampling.pool.START", "import os; os.kill(os.getpid(), 9)  # out of memory"
    )
    with (
        Workers(count=1, batch_size=32, values=10) as workers,
        pytest.raises(RunError, match="killed by SIGKILL, the 4th in a row"),
    ):
        next(workers.batches(AROUND, 5, 1))


def test_a_worker_that_ends_by_itself_ends_the_run(monkeypatch):
    monkeypatch.setattr("lipschitz.sampling.pool.START", "raise SystemExit(3)")
    with (
        Workers(count=1, batch_size=32, values=10) as workers,
        pytest.raises(RunError, match="ended by itself with exit code 3"),
    ):
        next(workers.batches(AROUND, 5, 1))


def test_batches_begin_at_the_iteration_that_is_asked_for():
    with Workers(count=2, batch_size=32, values=10) as workers:
        whole = [batch.copy() for batch in workers.batches(AROUND, 5, 2)]
        rest = [batch.copy() for batch in workers.batches(AROUND, 5, 2, first=3)]
    np.testing.assert_array_equal(rest, whole[6:])


def test_a_ring_that_does_not_fit_is_made_smaller(monkeypatch, capsys):
    create = machine.create

    def with_room_for_two(shape):
        if shape[0] > 2:
            raise machine.NoRoomError
        return create(shape)

    with Workers(count=3, batch_size=32, values=10) as workers:
        whole = [batch.copy() for batch in workers.batches(AROUND, 6, 2)]
    monkeypatch.setattr(shared_memory, "create", with_room_for_two)
    with Workers(count=3, batch_size=32, values=10) as workers:
        small = [batch.copy() for batch in workers.batches(AROUND, 6, 2)]
    np.testing.assert_array_equal(small, whole)
    assert "room for 2 batches in place of 5" in capsys.readouterr().err


def test_a_worker_is_light():
    """It holds no TensorFlow: its memory of its own stays under 100 MB."""
    around = Neighbourhood(np.zeros(784, np.float32), ball("l2"), 3, 1)
    with Workers(count=1, batch_size=1024, values=784) as workers:
        batches = workers.batches(around, 6, 1)
        for _ in range(3):
            next(batches)
        (process,) = workers.drawn_by
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        assert "libtensorflow" not in Path(f"/proc/{process}/maps").read_text()
        own = sum(int(row.split()[1]) for row in rollup.splitlines() if row.startswith("Private_"))
    assert own < 100_000  # kB


@pytest.fixture(scope="module")
def network():
    """An untrained network that takes everything for a 7."""
    tf.keras.utils.set_random_seed(5)
    return keras_network(for_sevens(two_layer(28, 1)))


def for_sevens(model):
    *weights, bias = model.get_weights()
    bias[7] = 5
    model.set_weights([*weights, bias])
    return model


def test_one_target_gives_one_estimate_several_a_list(network):
    x_0 = setup_digits.load().test_data[0]
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        several = sampler.estimate(x_0, 7, [6, 9], 128, 3)
        one = sampler.estimate(x_0, 7, 9, 128, 3)
    assert [estimate.target_label for estimate in several] == [6, 9]
    np.testing.assert_allclose(one.G2_max, several[1].G2_max, rtol=1e-5)
    assert one.g_x0 == pytest.approx(float(one.pred[7] - one.pred[9]), rel=1e-6)
    assert (np.diff(one.time) > 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_label": [12]}, "give other classes, in range"),
        ({"target_label": 7}, "give other classes"),
        ({"target_label": []}, "give other classes"),
        ({"x_0": np.zeros(784)}, r"x_0 has the shape \(784,\), the network takes \(28, 28, 1\)"),
        ({"Niters": 0}, "give 1 or more"),
        ({"transform": "blur"}, "no transformation 'blur': defend_reduce, defend_jpeg"),
        ({"order": 2}, "the model was loaded for order 1"),
    ],
)
def test_arguments_that_do_not_fit_are_said(network, change, message):
    right = {"x_0": np.zeros((28, 28, 1)), "true_label": 7, "target_label": 9}
    with EstimateLipschitz(nthreads=1) as sampler:
        with pytest.raises(ValueError, match="call load_model first"):
            sampler.estimate(**right, Nsamp=64, Niters=2)
        sampler.load_model("digits", model=network, batch_size=64)
        with pytest.raises(ValueError, match=message):
            sampler.estimate(**({"Nsamp": 64, "Niters": 2} | right | change))


def test_iterations_take_the_maximum_over_their_batches(network):
    x_0 = setup_digits.load().test_data[0]
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        cut = sampler.estimate(x_0, 7, 9, 256, 2)
        sampler.load_model("digits", model=network, batch_size=256)
        whole = sampler.estimate(x_0, 7, 9, 256, 2)
    np.testing.assert_allclose(cut.G1_max, whole.G1_max, rtol=1e-5)


def test_an_image_that_the_network_gets_wrong_is_refused(network):
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        with pytest.raises(ImageError, match=r"g\(x0\) = -.* only an image that is classified"):
            sampler.estimate(setup_digits.load().test_data[0], 3, [7], 64, 2)


def only_below(limit):
    """A network whose logits overflow where the mean of the pixels is above `limit`."""

    def predict(x):
        mean = tf.reduce_mean(x, axis=(1, 2, 3))
        first = tf.where(mean > limit, np.inf, 1 + mean)
        return tf.stack([first, 0 * mean], axis=1)

    return Network(predict, 4, 1, 2)


def test_samples_that_overflow_are_left_out_and_reported_with_their_iteration():
    """The gradient of the mean of 16 pixels is 1/16 in each: its L1 norm is 1 wherever finite."""
    x_0 = np.zeros((4, 4, 1), np.float32)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=only_below(0.02), batch_size=64)
        found = sampler.estimate(x_0, 0, 1, 64, 3)
    np.testing.assert_allclose(found.G1_max, 1, rtol=1e-6)
    expected = np.empty((3, 64, 16), np.float32)
    for iteration, samples in enumerate(expected):
        draw(samples, Neighbourhood(x_0, ball("l2"), 1215, 0), Batch(0, iteration, 0))
    above = (expected.mean(axis=2) > 0.02).sum(axis=1)
    np.testing.assert_array_equal(found.non_finite, above)
    (said,) = [line for line in found.summary_lines() if "warning" in line]
    assert f"{above.sum()} of 192 samples have no finite logits" in said
    assert said.endswith("Iterations: 0, 1, 2")


def test_an_iteration_without_a_finite_sample_is_an_error():
    x_0 = np.zeros((4, 4, 1), np.float32)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=only_below(1e-9), batch_size=2)
        with pytest.raises(ImageError, match=r"iteration \d+: .* all 2 samples are finite"):
            sampler.estimate(x_0, 0, 1, 2, 50)


def test_a_target_with_an_iteration_without_a_finite_sample_has_no_number_there():
    """Below 0 the root's slope is none; the other target's is. Two samples an iteration."""

    def predict(x):
        mean = tf.reduce_mean(x, axis=(1, 2, 3))
        return tf.stack([2 + mean, tf.sqrt(tf.nn.relu(mean)), 0 * mean], axis=1)

    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=Network(predict, 4, 1, 3), batch_size=2)
        lost, whole = sampler.estimate(np.zeros((4, 4, 1), np.float32), 0, [1, 2], 2, 30)
    none = lost.non_finite == 2
    assert 0 < none.sum() < 30
    np.testing.assert_array_equal(np.isnan(lost.G2_max), none)
    assert not lost.is_complete()
    assert whole.is_complete()
    np.testing.assert_allclose(whole.G1_max, 1, rtol=1e-6)


def test_gradients_that_are_all_zero_are_warned_of_and_score_infinity():
    flat = Network(lambda x: tf.stack([0 * x[:, 0, 0, 0] + 1, 0 * x[:, 0, 0, 0]], 1), 4, 1, 2)
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=flat, batch_size=64)
        found = sampler.estimate(np.zeros((4, 4, 1), np.float32), 0, 1, 64, 2)
    _, bounds, warning = found.summary_lines()
    assert "bnd_G2_max = inf, bnd_G1_max = inf, bnd_Ginf_max = inf" in bounds
    assert "the gradient is zero in every sample" in warning


@pytest.mark.parametrize(("outputs", "warned"), [(tf.nn.softmax, True), (lambda z: z, False)])
def test_outputs_that_look_like_probabilities_are_warned_of_once(network, capsys, outputs, warned):
    soft = replace(network, predict=lambda x: outputs(network.predict(x)))
    with EstimateLipschitz(nthreads=1) as sampler:
        sampler.load_model("digits", model=soft, batch_size=64)
        for _ in range(2):
            sampler.logits(setup_digits.load().test_data[:5])
    assert capsys.readouterr().err.count("look like probabilities") == warned


def test_an_interrupted_estimate_can_be_followed_by_another(network):
    x_0 = setup_digits.load().test_data[0]
    with EstimateLipschitz(nthreads=2) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)

        def stop():
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            sampler.estimate(x_0, 7, 9, 64, 50, on_iteration=stop)
        after = sampler.estimate(x_0, 7, 9, 64, 3, image_id=4)
    with EstimateLipschitz(nthreads=2) as sampler:
        sampler.load_model("digits", model=network, batch_size=64)
        alone = sampler.estimate(x_0, 7, 9, 64, 3, image_id=4)
    np.testing.assert_array_equal(after.G2_max, alone.G2_max)


def test_maxima_are_those_of_plain_gradients_at_the_seeds_samples():
    """A gradient tape over the whole batch, without slices, streams and rules of our own."""
    tf.keras.utils.set_random_seed(6)
    network = keras_network(for_sevens(seven_layer(28, 1, (8, 16), 20, ACTIVATIONS["relu"])))
    x_0 = setup_digits.load().test_data[0]
    around = Neighbourhood(x_0, ball("l2"), 1215, 4)
    expected = []
    for iteration in range(2):
        x = np.empty((96, 784), np.float32)
        draw(x, around, Batch(0, iteration, 0))
        x = tf.constant(x.reshape(-1, 28, 28, 1))
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = network.predict(x)
            margin = logits[:, 7] - logits[:, 2]
        gradient = np.float64(tape.gradient(margin, x)).reshape(96, -1)
        expected.append([np.linalg.norm(gradient, p, axis=1).max() for p in (2, 1, np.inf)])
    with EstimateLipschitz(seed=1215) as sampler:
        sampler.load_model("digits", model=network, batch_size=96)
        found = sampler.estimate(x_0, 7, [6, 2], 96, 2, image_id=4)[1]
    maxima = np.array([found.G2_max, found.G1_max, found.Gi_max]).T
    np.testing.assert_allclose(maxima, expected, rtol=1e-5)
