"""What every backbone, loss and tower promises, in every combination.

`make test` runs a choice of cells that holds every pair; `make contract` runs all of them.
"""

import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from tcf.evaluate import bootstrap_mean, hr, rank_targets
from tcf.model import BACKBONES, Popularity, Recommender
from tcf.train import TrainConfig, fit
from tests import cells
from tests.cells import CELLS, SPLIT, Cell

COVER = cells.pairwise_cover(CELLS)
POPULAR = hr(rank_targets(Popularity(SPLIT), SPLIT.test), k=7)
PARAMETERS = [
    pytest.param(cell, marks=[] if cell in COVER else pytest.mark.contract, id=" + ".join(cell))
    for cell in CELLS
]


def trained(cell: Cell) -> tuple[Recommender, list[tuple[float, float]]]:
    """Return a trained recommender, and the loss and validation of each epoch."""
    model = cells.recommender(cell, seed=0)
    size = 24 * (7 if model.backbone.examples == "pairs" else 1)  # users, of 7 interactions each
    config = TrainConfig(
        patience=None,
        batch_size=size,
        learning_rate=1e-2,
        encoder_learning_rate=1e-3,
        **cells.LOSS_SETTINGS[cell[1]],
    )
    history = fit(model, SPLIT, config, seed=1, progress=False)
    return model.eval(), [(epoch.loss, epoch.validation) for epoch in history.epochs]


@pytest.mark.parametrize("cell", PARAMETERS)
def test_a_cell_keeps_the_contract(cell: Cell, tmp_path: Path, record_property: Callable):
    began = time.process_time()
    model, history = trained(cell)
    beats_popularity(model)
    repeats_itself(cell, model, history)
    survives_saving(cell, model, tmp_path / "weights.safetensors")
    with torch.no_grad():
        ignores_padding(model.double())
        ignores_the_future(model)
    record_property("cpu_seconds", time.process_time() - began)  # for benchmarks/contract.py


def beats_popularity(model: Recommender) -> None:
    gain = bootstrap_mean(hr(rank_targets(model, SPLIT.test), k=7) - POPULAR, seed=0)
    assert gain.low > 0, f"HR@7 less popularity's: {gain}"


def repeats_itself(cell: Cell, model: Recommender, history: list[tuple[float, float]]) -> None:
    again, same_history = trained(cell)
    assert history == same_history
    for name, value in model.state_dict().items():
        assert value.equal(again.state_dict()[name]), name


def survives_saving(cell: Cell, model: Recommender, path: Path) -> None:
    model.save(path)
    other = cells.recommender(cell, seed=5).eval()
    other.load_weights(path)
    assert other.state_dict().keys() == model.state_dict().keys()
    pairs = zip(model.score_vectors(SPLIT.test), other.score_vectors(SPLIT.test), strict=True)
    assert all(one.equal(two) for one, two in pairs)


def batch_of(histories: list[list[int]], *, width: int, padding: int = 0):
    """Left-padded histories and their mask."""
    history = torch.tensor([[padding] * (width - len(h)) + h for h in histories])
    mask = torch.tensor([[False] * (width - len(h)) + [True] * len(h) for h in histories])
    return torch.arange(len(histories)), history, mask


def ignores_padding(model: Recommender) -> None:
    """Neither the width of a batch nor what stands in a padded place or beside a user matters."""
    items = model.tower.all()
    histories = [[3], [1, 2, 3, 4, 5, 6], [7, 8]]

    def vectors(chosen: list[list[int]], users: torch.Tensor, **layout) -> torch.Tensor:
        _, history, mask = batch_of(chosen, **layout)
        return model.backbone.user_vectors(users, items, history, mask)

    together = vectors(histories, torch.arange(3), width=6)
    for layout in ({"width": 9}, {"width": 6, "padding": 11}):
        same = vectors(histories, torch.arange(3), **layout)
        torch.testing.assert_close(same, together, rtol=0, atol=1e-9)
    for user, history in enumerate(histories):
        alone = vectors([history], torch.tensor([user]), width=len(history))
        torch.testing.assert_close(alone[0], together[user], rtol=0, atol=1e-9)


def ignores_the_future(model: Recommender) -> None:
    """What a causal backbone says at a place does not depend on what comes later."""
    backbone, items = model.backbone, model.tower.all()
    if not backbone.causal or backbone.examples != "sequences":
        return
    users, history, mask = batch_of([[1, 2, 3, 4, 5], [9, 8]], width=5)
    said = backbone(users, items, history, mask)
    history[:, -1] = 17
    changed = backbone(users, items, history, mask)
    torch.testing.assert_close(changed[:, :-1], said[:, :-1], rtol=0, atol=1e-12)
    assert not changed[:, -1].isclose(said[:, -1]).all(1).any()


def test_every_backbone_takes_part():
    held = {type(make()) for make in cells.BACKBONES.values()}
    assert held == set(BACKBONES.values())


def test_the_cover_holds_every_pair_and_is_small():
    def pairs(chosen: list[Cell]) -> set:
        return {pair for cell in chosen for pair in combinations(enumerate(cell), 2)}

    assert pairs(COVER) == pairs(CELLS)
    assert (
        len(COVER)
        == len(set(COVER))
        <= 1.5 * len(cells.BACKBONES) * max(len({cell[1] for cell in CELLS}), len(cells.TOWERS))
    )
    assert cells.pairwise_cover(CELLS) == COVER


def test_the_world_tells_blocks_and_popularity_does_not_know_them():
    assert np.mean(POPULAR) < 0.2
    block = (SPLIT.test.targets - 1) // 15
    assert (block == (SPLIT.test.rows[SPLIT.test.starts] - 1) // 15).all()
