"""Losses over the catalogue and over drawn negatives, against their formulas with plain numbers."""

from math import exp, log

import pytest
import torch

from tcf.model import chunked, losses
from tcf.model.losses import LOSSES, Candidates, gbce

DIM, ITEMS, K = 5, 7, 3
TARGETS = torch.tensor([1, 3, 6, 3, 2])
OWNERS = torch.tensor([0, 0, 1, 2, 2])
KNOWN = torch.tensor([[0, 0, 0, 1, 2, 2, 2], [1, 3, 4, 6, 2, 3, 3]])
NEGATIVES = torch.tensor([[2, 5, 6], [2, 2, 7], [6, 1, 3], [3, 3, 3], [4, 1, 2]])  # own = none


def vectors(num: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num, DIM, generator=generator, dtype=torch.float64)


USERS, VECTORS = vectors(5, 0), vectors(ITEMS + 1, 1)
SCORES = (USERS @ VECTORS.t()).tolist()
COUNTS = torch.tensor([0, 2, 1, 3, 1, 1, 2, 1]).clamp(min=1)


def candidates() -> Candidates:
    return Candidates(
        targets=TARGETS,
        owners=OWNERS,
        known=KNOWN,
        log_popularity=(COUNTS / 11).log().double(),
        counts=COUNTS,
        negatives=NEGATIVES,
        num_items=ITEMS,
    )


def known_of(owner: int) -> set[int]:
    return {int(c) for u, c in KNOWN.t() if u == owner}


def softmax_loss(prediction: int, columns: list[int]) -> float:
    own = SCORES[prediction][int(TARGETS[prediction])]
    return -log(exp(own) / (exp(own) + sum(exp(SCORES[prediction][c]) for c in columns)))


def drawn(prediction: int) -> list[int]:
    return [c for c in NEGATIVES[prediction].tolist() if c != TARGETS[prediction]]


def softplus(x: float) -> float:
    return log(1 + exp(x))


def own_score(prediction: int) -> float:
    return SCORES[prediction][int(TARGETS[prediction])]


def expected_full(prediction: int) -> float:
    rest = [c for c in range(1, ITEMS + 1) if c != TARGETS[prediction]]
    return softmax_loss(prediction, rest)


def expected_full_unknown(prediction: int) -> float:
    known = known_of(int(OWNERS[prediction]))
    return softmax_loss(prediction, [c for c in range(1, ITEMS + 1) if c not in known])


def expected_bce(prediction: int) -> float:
    scores = SCORES[prediction]
    return softplus(-own_score(prediction)) + sum(softplus(scores[c]) for c in drawn(prediction))


def expected_gbce(prediction: int, t: float = 0.75) -> float:
    share = K / (ITEMS - 1)
    beta = share * (t * (1 - 1 / share) + 1 / share)
    positive = -log((1 / (1 + exp(-own_score(prediction)))) ** beta)
    return (positive + sum(softplus(SCORES[prediction][c]) for c in drawn(prediction))) / (K + 1)


def expected_bpr(prediction: int) -> float:
    own, columns = own_score(prediction), drawn(prediction)
    parts = [softplus(SCORES[prediction][c] - own) for c in columns]
    return sum(parts) / max(len(parts), 1)


EXPECTED = {
    "bce": expected_bce,
    "bpr": expected_bpr,
    "full_softmax": expected_full,
    "full_softmax_unknown": expected_full_unknown,
    "gbce": expected_gbce,
    "sampled_softmax": lambda prediction: softmax_loss(prediction, drawn(prediction)),
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_loss_is_the_mean_of_its_formula(name: str):
    found = LOSSES[name].function(USERS, VECTORS, candidates())
    expected = sum(map(EXPECTED[name], range(len(USERS)))) / len(USERS)
    assert found.shape == () and found.dtype == torch.float64
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_every_loss_of_the_table_is_tested_here_or_beside_the_released_formula():
    assert set(LOSSES) == set(EXPECTED) | {"in_batch_softmax"}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_gradients_are_those_of_the_loss(name: str):
    users, items = USERS.clone().requires_grad_(), VECTORS.clone().requires_grad_()
    wanted = candidates()
    assert torch.autograd.gradcheck(
        lambda u, i: 3 * LOSSES[name].function(u, i, wanted), (users, items)
    )


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_size_of_a_block_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch):
    def value_and_gradients() -> list[torch.Tensor]:
        users, items = USERS.clone().requires_grad_(), VECTORS.clone().requires_grad_()
        loss = LOSSES[name].function(users, items, candidates())
        return [loss.detach(), *torch.autograd.grad(loss, (users, items))]

    whole = value_and_gradients()
    for size in (1, 2 * (ITEMS + 1), 2 * K * DIM):
        monkeypatch.setattr(chunked, "BLOCK_SCORES", size)
        monkeypatch.setattr(chunked, "BLOCK_FLOATS", size)
        monkeypatch.setattr(losses, "MAX_LOGITS", size)
        for found, expected in zip(value_and_gradients(), whole, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["full_softmax", "full_softmax_unknown"])
def test_padding_is_never_a_candidate(name: str):
    other = VECTORS.clone()
    other[0] = 100.0
    loss = LOSSES[name].function
    assert loss(USERS, other, candidates()).equal(loss(USERS, VECTORS, candidates()))
    items = other.requires_grad_()
    loss(USERS, items, candidates()).backward()
    assert items.grad is not None and not items.grad[0].any()


def test_a_prediction_without_a_negative_asks_only_for_its_target():
    one = torch.tensor([[1, 1]])
    alone = Candidates(
        targets=torch.tensor([1]),
        owners=torch.tensor([0]),
        known=torch.tensor([[0], [1]]),
        log_popularity=torch.zeros(2, dtype=torch.float64),
        negatives=one,
        num_items=1,
    )
    found = {
        name: float(LOSSES[name].function(USERS[:1], VECTORS[:2], alone))
        for name in ("sampled_softmax", "bpr", "bce", "full_softmax", "full_softmax_unknown")
    }
    assert found.pop("bce") == pytest.approx(softplus(-SCORES[0][1]))
    assert found == dict.fromkeys(found, 0.0)


def test_gbce_without_calibration_is_bce_a_score():
    plain = gbce(USERS, VECTORS, candidates(), calibration=0.0)
    bce = LOSSES["bce"].function(USERS, VECTORS, candidates())
    assert float(plain) == pytest.approx(float(bce) / (K + 1), abs=1e-12)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_scores_of_any_size_give_finite_losses_and_gradients(size: float):
    for name, loss in LOSSES.items():
        users = (USERS * size).float().requires_grad_()
        value = loss.function(users, VECTORS.float(), candidates_in_float())
        value.backward()
        assert value.isfinite() and users.grad is not None and users.grad.isfinite().all(), name


def candidates_in_float() -> Candidates:
    made = candidates()
    return Candidates(**{**vars(made), "log_popularity": made.log_popularity.float()})


def test_gbce_with_more_draws_than_items_is_bce_a_score():
    many = Candidates(**{**vars(candidates()), "num_items": 2})
    bce = LOSSES["bce"].function(USERS, VECTORS, many)
    assert float(gbce(USERS, VECTORS, many)) == pytest.approx(float(bce) / (K + 1), abs=1e-12)
