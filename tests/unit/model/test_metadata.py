"""The metadata head: what its loss is, what training makes of it, and what it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tcf.data import Labels, filter_interactions, leave_one_out
from tcf.data.simulate import simulate
from tcf.data.split import Split, Targets
from tcf.encode import encode_catalog
from tcf.errors import DataError
from tcf.evaluate import bootstrap_mean, hr, rank_targets
from tcf.model.auxiliary import Step
from tcf.model.backbone import Backbone
from tcf.model.metadata import MetadataHead
from tcf.model.ngcf import NGCF
from tcf.model.popularity import Popularity
from tcf.model.recommender import Recommender
from tcf.model.sasrec import SASRec
from tcf.model.towers import FrozenTextTower, IdTower, Tower
from tcf.train import TrainConfig, fit
from tests import cells, worlds

D = 8
SMALL = replace(worlds.catalog(4), labels=("War|Drama", "", "Drama", "Comedy"))
SPLIT = worlds.block_split()
LABELLED = replace(SPLIT.catalog, labels=tuple(f"{n // 15}" for n in range(SPLIT.num_items)))


def step(users: torch.Tensor, targets: list[int]) -> Step:
    """What a head sees of a step: the item vectors are not its own."""
    return Step(IdTower(4, dim=D), None, torch.zeros(5, D), users, torch.tensor(targets))


def head(**settings) -> MetadataHead:
    made = MetadataHead(SMALL, width=D, **settings)
    torch.nn.init.normal_(made.head.weight, generator=torch.Generator().manual_seed(0))
    return made


def test_the_loss_is_what_its_formula_says():
    made, rng = head(weight=0.5), np.random.default_rng(0)
    users = rng.normal(size=(4, D)).astype(np.float32)
    logits = users @ made.head.weight.detach().numpy().T
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert made.names == ("Comedy", "Drama", "War")
    said = [(log_p[0, 1] + log_p[0, 2]) / 2, 0, log_p[2, 1], log_p[3, 0]]  # item 2 has no label
    found = made(step(torch.from_numpy(users), [1, 2, 3, 4]))
    assert float(found.detach()) == pytest.approx(-0.5 * sum(said) / 4, rel=1e-5)


def test_parts_of_a_batch_add_up_to_it_by_their_predictions():
    made, users = head(), torch.randn(6, D, generator=torch.Generator().manual_seed(1))
    targets = [1, 2, 2, 3, 4, 2]
    whole = made(step(users, targets))
    parts = [(slice(0, 1), 1), (slice(1, 3), 2), (slice(3, 6), 3)]
    shares = [made(step(users[at], targets[at])) * (n / 6) for at, n in parts]
    torch.testing.assert_close(torch.stack(shares).sum(), whole)


def test_targets_without_a_label_move_nothing():
    made, users = head(), torch.randn(2, D, requires_grad=True)
    value = made(step(users, [2, 2]))
    value.backward()
    assert float(value.detach()) == 0
    assert users.grad is not None and not users.grad.any()


def test_under_autocast_it_is_computed_in_fp32():
    made, users = head(), torch.randn(3, D).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(step(users, [1, 3, 4]))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, made(step(users.float(), [1, 3, 4])))


def test_the_head_is_counted_saved_and_scores_nothing(tmp_path):
    plain = Recommender(IdTower(60, dim=D), SASRec(dim=D), seed=0).eval()
    made = model(SASRec(dim=D)).eval()
    for one, other in zip(
        made.score_vectors(SPLIT.test), plain.score_vectors(SPLIT.test), strict=True
    ):
        assert one.equal(other)
    counted = made.num_parameters()
    assert counted.pop("auxiliary") == (D + 1) * 4
    assert counted == plain.num_parameters()
    made.save(tmp_path / "weights.safetensors")
    renamed = replace(LABELLED, labels=tuple(f"x{n // 15}" for n in range(60)))
    other = model(SASRec(dim=D), catalog=renamed)
    with pytest.raises(DataError, match="labels="):
        other.load_weights(tmp_path / "weights.safetensors")


def model(backbone: Backbone, *, catalog=LABELLED, tower: Tower | None = None) -> Recommender:
    auxiliary = MetadataHead(catalog, width=backbone.width)
    tower = tower or IdTower(catalog.num_items, dim=backbone.dim)
    return Recommender(tower, backbone, seed=0, auxiliary=auxiliary)


@pytest.mark.parametrize("tower", ["tuned text", "ID + tuned text, gate"])
def test_an_encoder_is_tuned_by_it_too(tower: str):
    """Item vectors are made some at a time there, and gradients find their way back."""
    states = []
    for weight in (0.1, 10.0):
        auxiliary = MetadataHead(LABELLED, width=cells.DIM, weight=weight)
        made = Recommender(
            cells.TOWERS[tower](), SASRec(dim=cells.DIM), seed=0, auxiliary=auxiliary
        )
        fit(made, SPLIT, TrainConfig(max_epochs=1, batch_size=40), seed=0, progress=False)
        states.append({n: v for n, v in made.state_dict().items() if "encoder" in n})
    assert any(not value.equal(states[1][name]) for name, value in states[0].items())


def test_a_width_that_is_not_the_users_is_refused():
    graph = NGCF(dim=D, **NGCF.of_split(SPLIT))
    assert graph.width == 4 * D
    wrong = MetadataHead(LABELLED, width=D)
    with pytest.raises(ValueError, match=r"of 8 floats; got 32: .* width=backbone.width"):
        fit(
            Recommender(IdTower(60, dim=D), graph, seed=0, auxiliary=wrong),
            SPLIT,
            TrainConfig(max_epochs=1),
            seed=0,
            progress=False,
        )


def test_what_a_head_refuses():
    with pytest.raises(ValueError, match="an auxiliary loss needs weight above 0; got 0"):
        MetadataHead(SMALL, width=D, weight=0)
    with pytest.raises(DataError, match="read it with the option labels"):
        MetadataHead(worlds.catalog(3), width=D)


@pytest.fixture(scope="module")
def world() -> Split:
    """A world whose items' topics are their labels; users like topics, and popular items too."""
    made = simulate(num_users=1200, num_items=300, seed=0, text_share=0.9, word_order_share=0.0)
    return leave_one_out(*filter_interactions(*made)[:2])


def losses_of_labels(made: Recommender, targets: Targets) -> np.ndarray:
    """Each task's cross-entropy of the target's one label, in nats."""
    assert isinstance(made.auxiliary, MetadataHead)
    users, _ = made.eval().score_vectors(targets)
    with torch.no_grad():
        said = made.auxiliary.logits(users).log_softmax(1).numpy()
    found = made.auxiliary.labels[torch.from_numpy(targets.targets), 0].numpy()
    return -said[np.arange(len(targets)), found]


@pytest.mark.parametrize("loss", ["in_batch_softmax", "full_softmax"])
@pytest.mark.parametrize("tower", ["ID", "text"])
def test_on_a_simulated_world_it_foretells_labels_and_beats_popularity(
    world: Split, tower: str, loss: str
):
    text = None
    if tower == "text":
        vectors = encode_catalog(world.catalog, encoder="tfidf-svd", cache=None, progress=False)
        text = FrozenTextTower(vectors, world.catalog, dim=16)
    made = model(SASRec(dim=16, max_history=10), catalog=world.catalog, tower=text)
    untrained = losses_of_labels(made, world.test)
    config = TrainConfig(
        max_epochs=12, patience=None, batch_size=128, learning_rate=5e-3, loss=loss
    )
    fit(made, world, config, seed=0, progress=False)

    ranks = rank_targets(made, world.test), rank_targets(Popularity(world), world.test)
    gain = bootstrap_mean(hr(ranks[0], k=10) - hr(ranks[1], k=10), seed=0)
    assert gain.low > 0, f"HR@10 less popularity's: {gain}"

    trained = losses_of_labels(made, world.test)
    assert trained.mean() < 0.9 * untrained.mean()
    labels = Labels.of(world.catalog)
    one = labels.numbers  # each item has one
    taken = np.bincount(one[world.train.rows - 1], minlength=labels.num_labels)
    prior = -np.log(taken[one[world.test.targets - 1]] / taken.sum())
    better = bootstrap_mean(prior - trained, seed=0)
    assert better.low > 0, f"nats that the label prior is behind: {better}"
