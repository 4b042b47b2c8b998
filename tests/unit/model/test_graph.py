"""Steps along the graph, against dense NumPy and finite differences; what the graph is made of."""

import numpy as np
import pytest
import torch

from tcf.data.simulate import simulate
from tcf.data.split import Split, leave_one_out
from tcf.errors import DataError
from tcf.evaluate import bootstrap_mean, hr, rank_targets
from tcf.model import BACKBONES, FrozenTextTower, IdTower, Popularity, Recommender
from tcf.model.graph import Graph, GraphBackbone
from tcf.model.layers import xavier_normal_
from tcf.model.lightgcn import AlphaRec, LightGCN
from tcf.model.losses import LOSSES
from tcf.model.ngcf import NGCF
from tcf.train import TrainConfig, fit, log_popularity, training_batches
from tcf.train.optimizer import Optimizer
from tests import worlds

USERS, ROWS = np.array([0, 0, 1, 2, 2, 2]), np.array([1, 2, 2, 1, 3, 3])
SIZES = {"num_users": 4, "num_items": 4}
EDGES = [(0, 1), (0, 2), (1, 2), (2, 1), (2, 3)]
DIM = 3
SPLIT = worlds.random_split(num_users=12, num_items=15, seed=0)
NAMES = sorted(name for name, kind in BACKBONES.items() if issubclass(kind, GraphBackbone))


def graph() -> Graph:
    return Graph(USERS, ROWS, **SIZES).double()


def dense() -> np.ndarray:
    """The (4, 5) edges, from their definition."""
    ones = np.zeros((4, 5))
    ones[tuple(zip(*EDGES, strict=True))] = 1
    degrees = ones.sum(1, keepdims=True) * ones.sum(0, keepdims=True)
    return ones / np.sqrt(np.where(degrees > 0, degrees, 1))


def drawn(name: str, **settings) -> GraphBackbone:
    model = BACKBONES[name](graph=Graph(USERS, ROWS, **SIZES), dim=DIM, **settings).double().eval()
    assert isinstance(model, GraphBackbone)
    xavier_normal_(model, generator=torch.Generator().manual_seed(0))
    return model


def vectors_of(rows: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, DIM, generator=generator, dtype=torch.float64)


def of_one_recommender(name: str, split: Split = SPLIT, **settings) -> Recommender:
    kind = BACKBONES[name]
    backbone = kind(dim=DIM, **kind.of_split(split), **settings)
    return Recommender(IdTower(split.num_items, dim=DIM), backbone, seed=0)


def test_sums_of_neighbours_are_products_with_the_dense_matrix():
    items, users = vectors_of(5), vectors_of(4)
    to_users, to_items = graph().to_users(items), graph().to_items(users)
    np.testing.assert_allclose(to_users.numpy(), dense() @ items.numpy(), atol=1e-7)
    np.testing.assert_allclose(to_items.numpy(), dense().T @ users.numpy(), atol=1e-7)
    assert graph().num_edges == 5


def test_a_user_without_an_edge_has_a_mean_of_nothing():
    items = vectors_of(5).numpy()
    expected = [items[[1, 2]].mean(0), items[2], items[[1, 3]].mean(0), np.zeros(DIM)]
    found = graph().means(torch.from_numpy(items))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("what", ["to_users", "means"])
def test_gradients_are_those_of_finite_differences(what: str):
    items = vectors_of(5).requires_grad_()
    assert torch.autograd.gradcheck(getattr(graph(), what), (items,))
    assert torch.autograd.gradgradcheck(getattr(graph(), what), (items,))


def test_padding_has_no_edge():
    with pytest.raises(ValueError, match="0 is padding; got 0"):
        Graph(np.array([0]), np.array([0]), num_users=1, num_items=1)


def test_the_order_of_interactions_and_repetitions_change_no_graph():
    same = Graph(USERS[::-1].copy(), ROWS[::-1].copy(), **SIZES)
    assert same.key == graph().key
    assert Graph(USERS, ROWS % 3 + 1, **SIZES).key != graph().key


@pytest.mark.parametrize("num_layers", [0, 1, 3])
@pytest.mark.parametrize("name", ["AlphaRec", "LightGCN"])
def test_the_mean_of_the_layers_is_that_of_powers_of_the_dense_matrix(name: str, num_layers: int):
    model, items = drawn(name, num_layers=num_layers), vectors_of(5)
    users = model.users.weight.detach() if isinstance(model, LightGCN) else model.graph.means(items)
    whole = np.block([[np.zeros((4, 4)), dense()], [dense().T, np.zeros((5, 5))]])
    start = np.concatenate((users.numpy(), items.numpy()))
    powers = [np.linalg.matrix_power(whole, k) @ start for k in range(num_layers + 1)]
    with torch.no_grad():
        found = torch.cat(model.spread(items))
    np.testing.assert_allclose(found.numpy(), np.mean(powers, axis=0), atol=1e-6)


def test_ngcf_is_its_equations_neighbour_by_neighbour():
    model, items = drawn("NGCF", num_layers=2), vectors_of(5)
    assert isinstance(model, NGCF)
    weights = [
        [model.get_parameter(f"{of}.{k}.weight").detach().numpy().T for of in ("sums", "products")]
        for k in range(2)
    ]
    layers = [np.concatenate((model.users.weight.detach().numpy(), items.numpy()))]
    for of_sum, of_product in weights:
        e, new = layers[-1], layers[-1] @ of_sum
        for user, row in EDGES:
            for one, other in ((user, 4 + row), (4 + row, user)):
                message = e[other] @ of_sum + (e[other] * e[one]) @ of_product
                new[one] += dense()[user, row] * message
        layers.append(np.where(new > 0, new, 0.2 * new))
    with torch.no_grad():
        found = torch.cat(model.spread(items))
    np.testing.assert_allclose(found.numpy(), np.concatenate(layers, 1), atol=1e-6)


def test_alpharec_over_a_linear_map_averages_the_text_before_or_after_it():
    """As in the paper, whose users are the mapped means of their items' text vectors."""
    text = np.random.default_rng(0).normal(size=(SPLIT.num_items, 6))
    made = worlds.embeddings(SPLIT.catalog, text)
    tower = FrozenTextTower(made, SPLIT.catalog, dim=DIM, num_layers=1, activation=False)
    model = Recommender(tower, AlphaRec(dim=DIM, **AlphaRec.of_split(SPLIT)), seed=0)
    with torch.no_grad():
        tower.projector[0].bias.normal_(generator=torch.Generator().manual_seed(0))
        after = model.backbone.graph.means(tower.all())
        before = tower.projector(model.backbone.graph.means(tower.vectors))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_holds_training_edges_and_no_other(name: str):
    """Validation and test targets stay out, unless the user took the same item in training too."""
    held = of_one_recommender(name).backbone.graph
    bounds, rows = held.users_bounds.numpy(), held.users_neighbours.numpy()
    edges = {(u, int(r)) for u in range(SPLIT.num_users) for r in rows[bounds[u] : bounds[u + 1]]}
    train = SPLIT.train
    assert edges == set(zip(train.users().tolist(), train.rows.tolist(), strict=True))
    for part in (SPLIT.validation, SPLIT.test):
        later = set(zip(part.users.tolist(), part.targets.tolist(), strict=True))
        assert later - edges  # there is something to find
        new = [p for p in later if p[1] not in train.rows[train.users() == p[0]]]
        assert not edges & set(new)


@pytest.mark.parametrize("name", NAMES)
def test_what_ranks_is_what_the_graph_gives(name: str):
    model = of_one_recommender(name).eval()
    users, items = model.score_vectors(SPLIT.test)
    with torch.no_grad():
        all_users, all_items = model.backbone.spread(model.tower.all())
    assert users.equal(all_users[torch.from_numpy(SPLIT.test.users)])
    assert items.equal(all_items[1:])


@pytest.mark.parametrize("loss", ["bpr", "in_batch_softmax"])
def test_a_batch_spreads_once_and_its_table_is_updated_as_a_whole(loss: str):
    model, config = of_one_recommender("NGCF"), TrainConfig(loss=loss, batch_size=8)
    backbone = model.backbone
    assert isinstance(backbone, NGCF)
    backbone.drop.reseed(1)
    backbone.spread(model.tower.all())
    after_one = backbone.drop.state()
    backbone.drop.reseed(1)
    rng = np.random.default_rng(0)
    optimizer = Optimizer(model, config, loss=LOSSES[loss], num_batches=1)
    batch = next(training_batches(model, SPLIT, config, rng, loss=LOSSES[loss]))
    model.loss(batch, log_popularity=log_popularity(SPLIT), loss=LOSSES[loss]).backward()
    assert backbone.drop.state() == after_one
    assert not optimizer.rows.tables
    assert model.tower.get_parameter("table.weight").grad.layout == torch.strided


@pytest.mark.parametrize("name", NAMES)
def test_vectors_of_some_rows_are_refused(name: str):
    with pytest.raises(ValueError, match=rf"{name} spreads the vectors of all 5 rows .* got 4: "):
        drawn(name).spread(vectors_of(4))


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_number_of_steps_is_refused(name: str):
    with pytest.raises(ValueError, match="num_layers must be 0 or more; got -1"):
        drawn(name, num_layers=-1)


def test_weights_fit_no_other_graph(tmp_path):
    model = of_one_recommender("LightGCN")
    model.save(tmp_path / "weights.safetensors")
    train = SPLIT.train
    fewer = Graph(train.users()[1:], train.rows[1:], num_users=12, num_items=15)
    other = Recommender(IdTower(15, dim=DIM), LightGCN(graph=fewer, dim=DIM), seed=0)
    with pytest.raises(DataError, match="graph="):
        other.load_weights(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_a_simulated_worlds_users_are_told_apart(name: str):
    catalog, interactions = simulate(num_users=600, num_items=150, seed=0)
    split = leave_one_out(catalog, interactions)
    kind = BACKBONES[name]
    backbone = kind(dim=32, **kind.of_split(split))
    model = Recommender(IdTower(split.num_items, dim=32), backbone, seed=0)
    config = TrainConfig(max_epochs=8, batch_size=512, learning_rate=1e-2, loss="bpr")
    fit(model, split, config, seed=0, progress=False)
    gain = hr(rank_targets(model, split.test), k=10) - hr(
        rank_targets(Popularity(split), split.test), k=10
    )
    assert bootstrap_mean(gain, seed=0).low > 0
