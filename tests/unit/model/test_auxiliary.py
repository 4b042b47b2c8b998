"""Auxiliary losses: what they are, what they draw, what they leave as it was."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tcf.model.auxiliary import Alignment, Contrast, SelfSupervision, Step, info_nce
from tcf.model.lightgcn import LightGCN
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower, Tower
from tcf.train import TrainConfig, fit
from tests import worlds

SPLIT = worlds.block_split()
N, E, D = SPLIT.num_items, 6, 8
TEXTS = worlds.embeddings(SPLIT.catalog, np.random.default_rng(0).normal(size=(N, E)))


def alignment(**settings) -> Alignment:
    return Alignment(TEXTS, SPLIT.catalog, dim=D, **settings)


def frozen(**settings) -> FrozenTextTower:
    return FrozenTextTower(TEXTS, SPLIT.catalog, dim=D, **settings)


def step(tower: Tower, rows: Tensor | None, vectors: Tensor) -> Step:
    """A step without a prediction."""
    return Step(tower, rows, vectors, torch.empty(0, D), torch.empty(0, dtype=torch.int64))


def model(name: str, **settings) -> Recommender:
    if name == "alignment":
        return Recommender(
            IdTower(N, dim=D), SASRec(dim=D), seed=0, auxiliary=alignment(**settings)
        )
    return Recommender(frozen(), SASRec(dim=D), seed=0, auxiliary=SelfSupervision(**settings))


def test_info_nce_is_what_its_formula_says():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 7, D))
    cosines = (one / np.linalg.norm(one, axis=1)[:, None]) @ (
        two / np.linalg.norm(two, axis=1)[:, None]
    ).T
    logits = cosines / 0.3
    wanted = np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits))
    found = info_nce(torch.from_numpy(one), torch.from_numpy(two), temperature=0.3)
    assert float(found) == pytest.approx(wanted)
    alike = info_nce(torch.from_numpy(one), 5 * torch.from_numpy(one), temperature=0.01)
    assert float(alike) < 1e-6
    assert info_nce(torch.ones(1, 2).bfloat16(), torch.ones(1, 2), temperature=1).dtype == (
        torch.float32
    )


def test_alignment_holds_items_against_their_own_texts():
    made = model("alignment", weight=0.5).auxiliary
    assert isinstance(made, Alignment)
    rows, vectors = torch.tensor([4, 9, 2]), torch.randn(3, D)
    texts = made.mapped(torch.from_numpy(TEXTS.vectors[[3, 8, 1]]))
    found = made(step(IdTower(N, dim=D), rows, vectors))
    torch.testing.assert_close(found, 0.5 * info_nce(vectors, texts, temperature=0.2))


def test_self_supervision_masks_places_of_the_texts_in_training_alone():
    tower = model("self").tower
    made = SelfSupervision(masked=0.5, weight=1)
    rows, vectors = torch.arange(1, 41), torch.zeros(40, D)
    one, two = made.views(tower, rows, vectors)
    assert not one.isclose(two).all(1).any()
    quiet = made.eval().views(tower.eval(), rows, vectors)
    assert quiet[0].equal(quiet[1]) and quiet[0].equal(tower(rows))


class _Rows(Contrast):
    """Keeps the rows that it is asked for."""

    def views(self, tower: Tower, rows: Tensor, vectors: Tensor):
        self.rows, self.vectors = rows, vectors
        return vectors, vectors


def test_of_more_items_some_are_drawn_and_padding_never():
    made, table = _Rows(weight=1, temperature=1, num_items=10), torch.randn(N + 1, D)
    tower = IdTower(N, dim=D)
    seen = set()
    for _ in range(60):
        made(step(tower, None, table))
        assert len(made.rows.unique()) == 10 and made.vectors.equal(table[made.rows])
        seen |= set(made.rows.tolist())
    assert seen == set(range(1, N + 1))
    made.reseed(3)
    made(step(tower, None, table))
    first = made.rows
    made.reseed(3)
    made(step(tower, None, table))
    assert made.rows.equal(first)
    few = torch.tensor([5, 7])
    made(step(tower, few, table[few]))
    assert made.rows.equal(few)


@pytest.mark.parametrize("loss", ["in_batch_softmax", "full_softmax", "sampled_softmax"])
@pytest.mark.parametrize("name", ["alignment", "self"])
def test_a_training_lowers_it_and_its_weight_counts(name: str, loss: str):
    config = TrainConfig(max_epochs=3, patience=None, batch_size=32, loss=loss, learning_rate=1e-2)
    states = []
    for weight in (0.1, 5.0):
        made = model(name, weight=weight, num_items=30)
        before = torch.get_rng_state()
        history = fit(made, SPLIT, config, seed=0, progress=False)
        assert before.equal(torch.get_rng_state())
        assert history.epochs[-1].loss < history.epochs[0].loss
        states.append(made.tower.state_dict())
    assert not any(states[0][n].equal(states[1][n]) for n in states[0])


def test_alignment_draws_ids_of_like_texts_together():
    made = model("alignment", weight=3, temperature=0.5)
    config = TrainConfig(max_epochs=30, patience=None, batch_size=32, learning_rate=1e-2)
    fit(made, SPLIT, config, seed=0, progress=False)
    assert isinstance(made.auxiliary, Alignment)
    with torch.no_grad():
        rows = torch.arange(1, N + 1)
        one, two = made.auxiliary.views(made.tower, rows, made.tower(rows))
        cosines = torch.nn.functional.normalize(one) @ torch.nn.functional.normalize(two).t()
    own = cosines.diagonal().mean()
    assert own > 0.5 and own > cosines.mean() + 0.3


def test_scores_know_nothing_of_it_and_parameters_are_counted():
    made = model("alignment")
    plain = Recommender(IdTower(N, dim=D), SASRec(dim=D), seed=0)
    for one, other in zip(
        made.eval().score_vectors(SPLIT.test), plain.eval().score_vectors(SPLIT.test), strict=True
    ):
        assert one.equal(other)
    counted = made.num_parameters()
    assert counted.pop("auxiliary") == (E + 1) * 7 + (7 + 1) * D
    assert counted == plain.num_parameters()
    assert made.architecture()["auxiliary"] == f"Alignment(vectors={TEXTS.key[:12]})"


def test_under_a_graph_the_vectors_of_all_rows_are_those_of_their_rows():
    made = _Rows(weight=1, temperature=1, num_items=10)
    graph = LightGCN(dim=D, **LightGCN.of_split(SPLIT))
    model = Recommender(IdTower(N, dim=D), graph, seed=0, auxiliary=made)
    fit(model, SPLIT, TrainConfig(max_epochs=1, batch_size=200), seed=0, progress=False)
    assert len(made.rows) == 10
    with torch.no_grad():
        kept = torch.nn.functional.cosine_similarity(made.vectors, model.tower(made.rows))
    assert (kept > 0.9).all()


def test_what_an_auxiliary_loss_refuses():
    with pytest.raises(ValueError, match="an auxiliary loss needs weight above 0; got 0"):
        SelfSupervision(weight=0)
    with pytest.raises(ValueError, match="an auxiliary loss needs temperature above 0; got -1"):
        alignment(temperature=-1)
    with pytest.raises(ValueError, match="tells 2 items apart or more; got 1"):
        alignment(num_items=1)
    other = Recommender(IdTower(N, dim=D), SASRec(dim=D), seed=0, auxiliary=SelfSupervision())
    with pytest.raises(ValueError, match="of a FrozenTextTower; got a IdTower: leave it out"):
        fit(other, SPLIT, TrainConfig(max_epochs=1), seed=0, progress=False)
