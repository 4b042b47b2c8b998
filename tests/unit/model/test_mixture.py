"""A mixture of experts as projector, against a few lines of NumPy."""

import json

import numpy as np
import pytest
import torch
from scipy.special import softmax

from tcf.model.layers import Noise
from tcf.model.mixture import MixtureProjector
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower
from tests import worlds

N, E, D = 11, 6, 4
CATALOG = worlds.catalog(N)
VECTORS = np.random.default_rng(0).normal(size=(N, E))


def tower(projector: MixtureProjector, **settings) -> FrozenTextTower:
    items = worlds.embeddings(CATALOG, VECTORS)
    return FrozenTextTower(items, CATALOG, dim=D, projector=projector, **settings)


def drawn(projector: MixtureProjector) -> MixtureProjector:
    """Every weight drawn, as none starts."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for weight in projector.parameters():
            weight.copy_(torch.from_numpy(rng.normal(size=tuple(weight.shape))))
    return projector.double()


def test_a_mixture_is_the_gated_sum_of_whitened_vectors():
    projector = drawn(MixtureProjector(E, D, num_experts=3)).eval()
    shares = softmax(VECTORS @ projector.gate.detach().numpy(), axis=1)
    wanted = sum(
        shares[:, n : n + 1]
        * ((VECTORS - expert.bias.detach().numpy()) @ expert.linear.weight.detach().numpy().T)
        for n, expert in enumerate(projector.experts)
    )
    found = projector(torch.from_numpy(VECTORS)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_experts_start_different_and_weigh_the_same():
    projector = MixtureProjector(E, D, num_experts=3)
    model = Recommender(tower(projector), SASRec(dim=D), seed=0).eval()
    x = model.tower.vectors[1:]
    parts = torch.stack([expert(x) for expert in projector.experts])
    assert not parts[0].isclose(parts[1]).any()
    torch.testing.assert_close(projector(x), parts.mean(0))


def test_noise_and_dropout_are_drawn_in_training_alone_and_from_their_own_streams():
    before = torch.get_rng_state()
    projector = drawn(MixtureProjector(E, D, num_experts=3, dropout=0))
    x = torch.from_numpy(VECTORS)
    quiet = projector.eval()(x)
    assert quiet.equal(projector(x))
    noisy = projector.train()(x)
    assert not noisy.isclose(quiet).all(1).any() and not noisy.equal(projector(x))
    projector.noise.reseed(0)
    assert noisy.equal(projector(x))
    assert before.equal(torch.get_rng_state())
    plain = drawn(MixtureProjector(E, D, num_experts=3, dropout=0, noise=False))
    assert plain(x).equal(plain.eval()(x))


def test_a_step_can_train_every_weight():
    projector = drawn(MixtureProjector(E, D, num_experts=2))
    projector(torch.from_numpy(VECTORS)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in projector.parameters())


def test_noise_has_its_spread_and_goes_on_where_it_stood():
    noise = Noise()
    noise.reseed(5)
    x, spread = torch.ones(1000, 99), torch.full((1000, 99), 3.0)
    found = noise(x, spread)
    assert float(found.mean()) == pytest.approx(1, abs=0.05)
    assert float(found.std()) == pytest.approx(3, rel=0.02)
    noise(torch.ones(3), torch.ones(3))  # an odd number: half a word of bits is left over
    state = json.loads(json.dumps(noise.state()))
    other = Noise()
    other.restore(state)
    assert other(x, spread).equal(noise(x, spread))


def test_what_a_mixture_and_its_tower_refuse():
    with pytest.raises(ValueError, match="a mixture needs num_experts of at least 1; got 0"):
        MixtureProjector(E, D, num_experts=0)
    with pytest.raises(ValueError, match=r"own settings; got MixtureProjector and .*'dropout': 0"):
        tower(MixtureProjector(E, D), dropout=0)
