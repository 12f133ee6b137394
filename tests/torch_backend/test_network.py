"""Modules as networks: what they take and give, what is taken off, what is refused."""

import numpy as np
import pytest

import setup_digits
from clever_scores import clever_scores
from estimate_gradient_norm import EstimateLipschitz
from lipschitz.network import Box, Convention, kind_of_outputs, margin_weights
from lipschitz.support.errors import RunError

torch = pytest.importorskip("torch")
from lipschitz.torch_backend.network import module_network  # noqa: E402
from lipschitz.torch_backend.runtime import computing  # noqa: E402

pytestmark = pytest.mark.extra
nn = torch.nn
RANGE = Convention(Box(0, 1))
X = np.random.default_rng(0).uniform(0, 1, (4, 6, 7, 3)).astype(np.float32)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)


def layers(*end):
    """A small CNN of images of 6 x 7, with the same weights each time."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(80, 20), nn.Linear(20, 5), *end
    )


def by_hand(module, x=X):
    """The module's outputs, images being turned for it."""
    with torch.no_grad():
        return module.eval()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()


def network(module, convention=RANGE, image=(6, 7, 3)):
    return module_network(module, convention, image)


LOGITS = by_hand(layers())


class Nested(nn.Module):
    """Ends with a softmax that is not the last of its modules by place."""

    def __init__(self):
        super().__init__()
        self.last = nn.Softmax(dim=-1)
        self.first = layers()

    def forward(self, x):
        return self.last(self.first(x))


ENDED = {
    "softmax": lambda: layers(nn.Softmax(dim=1)),
    "log-softmax": lambda: layers(nn.LogSoftmax(dim=-1)),
    "sigmoids": lambda: layers(nn.Sigmoid()),
    "nested": lambda: nn.Sequential(Nested(), nn.Identity(), nn.Dropout()),
    "module": Nested,
}


@pytest.mark.parametrize("make", ENDED.values(), ids=ENDED)
def test_what_ends_with_a_softmax_or_sigmoid_gives_its_logits(capsys, make):
    found = network(make())
    assert "at the network's end is taken off" in capsys.readouterr().err
    np.testing.assert_allclose(found.logits(X), LOGITS, rtol=1e-5)


def test_a_softmax_of_the_forward_pass_is_seen_in_the_outputs():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = layers()

        def forward(self, x):
            return torch.softmax(self.layers(x), dim=1)

    assert kind_of_outputs(network(Functional()).logits(X)) == "probabilities"
    logarithms = network(Functional(), Convention(Box(0, 1), probabilities=True)).logits(X)
    margins = margin_weights(5, 0, [1, 2, 3, 4]).T
    np.testing.assert_allclose(logarithms @ margins, LOGITS @ margins, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match=r"no probabilities: .* logits are scored as they are"):
        network(layers(), Convention(Box(0, 1), probabilities=True))


def test_one_number_is_the_logit_of_class_1(capsys):
    module = nn.Sequential(nn.Flatten(), nn.Linear(126, 1))
    found = network(nn.Sequential(module, nn.Sigmoid()))
    assert "one number: it is taken as the logit of class 1" in capsys.readouterr().err
    z = by_hand(module)
    np.testing.assert_allclose(found.logits(X), np.hstack([0 * z, z]), rtol=1e-5)
    assert found.num_labels == 2


def test_mean_and_std_come_before_the_module():
    module = layers()
    found = network(module, Convention(Box(0, 1), MEAN, STD))
    normalized = ((X - np.float32(MEAN)) / np.float32(STD)).astype(np.float32)
    np.testing.assert_allclose(found.logits(X), by_hand(module, normalized), rtol=1e-4)
    assert found.fingerprint != network(module).fingerprint


@pytest.mark.parametrize("image", [(6, 7, 3), (3, 6, 7)])
def test_channels_of_an_image_come_first_or_last(image):
    found = network(layers(), image=image)
    assert found.input_shape == (6, 7, 3)
    np.testing.assert_allclose(found.logits(X), LOGITS, rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "image", "taken"),
    [
        (nn.Linear(20, 3), (20,), (20,)),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.LazyLinear(3)), (8, 8), (8, 8, 1)),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), (8, 8), (8, 8, 1)),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten(), nn.Linear(18, 4)), (2, 8), (2, 8)),
        (nn.Sequential(nn.Conv3d(1, 2, 3), nn.Flatten(), nn.Linear(54, 3)), (5, 5, 5, 1), None),
    ],
)
def test_images_of_any_number_of_axes(module, image, taken):
    if any(isinstance(each, nn.LazyLinear) for each in module.modules()):
        module(torch.zeros(1, 1, *image))
    found = network(module, image=image)
    assert found.input_shape == (taken or image)
    x = np.random.default_rng(0).uniform(0, 1, (6, *found.input_shape)).astype(np.float32)
    weights = margin_weights(found.num_labels, 0, [1])
    assert np.isfinite(found.gradient_maxima(x, weights).largest).all()


def test_the_users_module_stays_as_it_is():
    module = layers(nn.Dropout(0.5), nn.BatchNorm1d(5)).train()
    before = [each.clone() for each in module.state_dict().values()]
    found = network(module)
    first, again = found.logits(X), found.logits(X)
    np.testing.assert_array_equal(first, again)
    assert module.training
    assert all(each.requires_grad for each in module.parameters())
    after = module.state_dict().values()
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_modules_of_any_float_type_are_measured_in_float32(dtype):
    found = network(layers().to(dtype))
    np.testing.assert_allclose(found.logits(X), LOGITS, rtol=0.05, atol=0.02)
    assert found.logits(X).dtype == np.float32


def test_samples_that_are_not_finite_are_left_out():
    class Overflow(nn.Module):
        def forward(self, x):
            total = x.flatten(1).sum(dim=1, keepdim=True)
            return torch.cat([total, torch.where(total > 5, torch.inf, 2 * total)], dim=1)

    found = network(Overflow(), image=(4,))
    x = np.float32([[1, 1, 1, 1], [2, 2, 2, 2], [0, 0, 0, 1]])
    maxima = found.gradient_maxima(x, np.float32([[1, -1]]))
    np.testing.assert_allclose(maxima.largest, [[2, 4, 1]], rtol=1e-6)  # of -(sum of x)
    assert maxima.left_out.tolist() == [1]
    products = found.hessian_products(x, np.float32([1, -1]))
    found = products(np.arange(3), np.ones((3, 4), np.float32))
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], 0)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Conv2d(1, 2, 3), r"the module takes no images of the shape \(6, 7, 3\): .*channels"),
        (nn.Conv2d(3, 2, 3), r"outputs for 2 images are a tensor \(2, 2, 4, 5\), not a number for"),
        (layers(nn.Linear(5, 1), nn.Softmax(dim=1)), "softmax of one number"),
        (nn.LSTM(3, 4), "the module takes no images"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_line(module, said):
    with pytest.raises(ValueError, match=said) as refusal:
        network(module)
    assert len(str(refusal.value).splitlines()) == 1


def test_what_fails_at_some_images_is_told_in_a_line():
    class Picky(nn.Module):
        def forward(self, x):
            if (x > 0.9).any():
                raise RuntimeError("too bright\nreally")
            return x.flatten(1)[:, :3]

    with pytest.raises(RunError, match=r"the network cannot be computed: too bright$"):
        network(Picky()).logits(np.ones((1, 6, 7, 3), np.float32))


def test_fingerprints_tell_weights_modules_and_code_apart():
    class Code(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.layers, self.function = layers(), function

        def forward(self, x):
            return self.function(self.layers(x))

    same = [network(layers()).fingerprint for _ in range(2)]
    assert same[0] == same[1]
    other = layers()
    with torch.no_grad():
        other[0].bias += 1
    found = [
        network(each) for each in (other, layers(nn.ReLU()), Code(torch.tanh), Code(torch.sin))
    ]
    assert len({same[0], *(each.fingerprint for each in found)}) == 5


def test_settings_of_the_user_stay():
    before = torch.are_deterministic_algorithms_enabled()
    with computing(), computing():
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.are_deterministic_algorithms_enabled() == before


# From Python -----------------------------------------------------------------

DIGITS = setup_digits.load()


def linear():
    """A linear module of digits: its scores have a closed form."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


class Put(nn.Module):
    def forward(self, x):
        return x.put(torch.tensor([0]), torch.zeros(1))


def test_an_operation_without_a_deterministic_kernel_is_named_once(capfd, recwarn):
    network(layers(Put())).gradient_maxima(X, margin_weights(5, 0, [1]))
    assert capfd.readouterr().err.count("no deterministic kernel for put_ here") == 1
    assert not recwarn.list


class Attention(nn.Module):
    """Attention of the rows of an image to each other: by PyTorch's function, or written out."""

    def __init__(self, attend):
        super().__init__()
        self.attend, self.last = attend, layers()[-1]

    def forward(self, x):
        rows = x.mean(1) * 5
        return self.last(self.attend(rows, rows, rows.cos()).flatten(1)[:, :20])


def written_out(query, key, value):
    return torch.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1) @ value


def test_attention_has_second_derivatives():
    weights = margin_weights(5, 0, [1])[0]
    v = np.random.default_rng(1).normal(size=(4, 126)).astype(np.float32)
    fused, explicit = (
        network(Attention(attend)).hessian_products(X, weights)(np.arange(4), v)
        for attend in (nn.functional.scaled_dot_product_attention, written_out)
    )
    assert np.abs(explicit).max() > 0.01
    np.testing.assert_allclose(fused, explicit, rtol=1e-3, atol=1e-6)


class NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2


def test_a_network_whose_gradient_is_not_written_is_refused():
    module = nn.Sequential(layers(), Applied())
    with pytest.raises(ValueError, match="its gradient cannot be computed"):
        network(module)


class Applied(nn.Module):
    def forward(self, x):
        return NoGradient.apply(x)


def test_the_sampler_takes_a_module_and_the_shape_of_its_first_image():
    module, image = linear(), DIGITS.test_data[0] + 0.5
    label = int(by_hand(module, image[None]).argmax())
    target = (label + 1) % 10
    with EstimateLipschitz(seed=1215, nthreads=1) as sampler:
        sampler.load_model(model=module, input_range=(0, 1), batch_size=32)
        estimate = sampler.estimate(image.transpose(2, 0, 1), label, target, 32, 2)
    difference = (module[1].weight[label] - module[1].weight[target]).detach().numpy()
    np.testing.assert_allclose(estimate.G2_max, np.linalg.norm(difference), rtol=1e-5)
    np.testing.assert_allclose(estimate.Gi_max, np.abs(difference).max(), rtol=1e-5)


def test_the_sampler_takes_tensors():
    module, image = linear(), torch.tensor(DIGITS.test_data[:1].transpose(0, 3, 1, 2) + 0.5)
    with EstimateLipschitz(seed=1215, nthreads=1) as sampler:
        sampler.load_model(model=module, input_range=(0, 1), batch_size=32)
        (found,) = sampler.logits(image.requires_grad_())
        label = torch.tensor(found.argmax())
        one, other = sampler.estimate(image, label, (label + torch.tensor([1, 2])) % 10, 32, 2)
    np.testing.assert_allclose(found, module(image)[0].detach().numpy(), rtol=1e-4)
    assert one.G2_max.shape == other.G2_max.shape == (2,)


def test_outputs_that_are_no_tensor_are_told():
    class Two(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(ValueError, match="its outputs for 2 images are a tuple, not a number for"):
        network(Two())


def test_a_module_and_tensors_give_a_table_of_scores():
    module, images = linear(), torch.from_numpy(DIGITS.test_data[:3] + 0.5).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = module(images)
    scores = clever_scores(
        module, images, logits.argmax(dim=1), Nsamp=32, Niters=3, batch_size=32, nthreads=1
    )
    weights = module[1].weight.detach().numpy()
    for row in scores[scores.norm == "2"].itertuples():
        margin = logits[row.image, row.true_label] - logits[row.image, row.target_label]
        distance = np.linalg.norm(weights[row.true_label] - weights[row.target_label])
        assert row.score == pytest.approx(float(margin) / distance, rel=1e-4)
    assert len(scores) == 3 * 3 * 3


def test_both_frameworks_work_in_one_process():
    pytest.importorskip("tensorflow")
    from lipschitz.tf_backend.runtime import keras

    keras_model = keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    module = linear()
    weights = module[1].weight.detach().numpy().T, module[1].bias.detach().numpy()
    keras_model.set_weights(weights)
    settings = {"Nsamp": 32, "Niters": 2, "batch_size": 32, "nthreads": 1}
    theirs, ours = (
        clever_scores(model, DIGITS.test_data[:2] + 0.5, **settings)
        for model in (keras_model, module)
    )
    np.testing.assert_allclose(ours.score, theirs.score, rtol=1e-5)
