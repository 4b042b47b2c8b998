"""Any simulated world: nothing beats the oracle, and the dials decide who wins.

====================================================  ==================================
dials                                                 who wins
====================================================  ==================================
text_share=1, half the items new                      text
text_share=0                                          IDs; words equal random vectors
text_share=0.65, half the items new, 300 users        text
the same, 5,000 users                                 IDs: the arms have crossed
====================================================  ==================================
"""

from typing import Any

import numpy as np
import pytest

from tcf.data import Split, filter_counts, leave_one_out
from tcf.data.simulate import World, simulate_world
from tcf.encode import Embeddings, RandomVectors, apply_transforms, encode_catalog
from tcf.evaluate import bootstrap_mean, hr, rank_targets
from tcf.evaluate.paired import paired_permutation
from tcf.model import FrozenTextTower, IdTower, MeanHistory, NearestNeighbour, Recommender, SASRec
from tcf.model.popularity import Popularity
from tcf.model.transitions import Transitions
from tcf.train import TrainConfig, fit


def hits(model: Any, split: Split) -> np.ndarray:
    """(num_tasks,) HR@10 of each test task."""
    return hr(rank_targets(model, split.test), k=10)


def trained(tower: Any, split: Split, *, max_epochs: int, seed: int = 0) -> Recommender:
    model = Recommender(tower, SASRec(dim=32, num_layers=1, num_heads=1), seed=seed)
    fit(model, split, TrainConfig(max_epochs=max_epochs, batch_size=32), seed=seed)
    return model


def taste_vectors(world: World) -> Embeddings:
    """What an encoder would give that reads all of taste that titles tell."""
    vectors = world.text_taste[1:].astype(np.float32)
    return Embeddings(tuple(world.catalog.item_ids), vectors, {}, "taste")


@pytest.mark.parametrize(
    "dials",
    [
        {},
        {"drift": 0.9, "popularity_skew": 0.2},
        {"num_days": 60, "taste_walk": 0.7, "popularity_walk": 1.0},
        {"num_days": 60, "new_items": 0.3, "text_share": 1.0, "word_order_share": 0.0},
    ],
    ids=["plain", "drift", "walks", "new items"],
)
def test_no_arm_beats_the_oracle(dials: dict):
    world = simulate_world(num_users=1500, num_items=120, seed=1, **dials)
    split = leave_one_out(world.catalog, world.interactions)
    best = hits(world.oracle, split)
    vectors = taste_vectors(world)
    arms = {
        "popularity": Popularity(split),
        "transitions": Transitions(split),
        "nearest by taste": NearestNeighbour(vectors, split.catalog),
    }
    for name, arm in arms.items():
        assert best.mean() > hits(arm, split).mean(), name


def test_a_title_helps_as_far_as_it_tells():
    """HR@10 of the nearest title rises with the share of taste that titles tell, from chance."""
    found = []
    for share in (0.0, 0.5, 1.0):
        world = simulate_world(
            num_users=1500, num_items=120, seed=2, text_share=share, word_order_share=0.0
        )
        split = leave_one_out(world.catalog, world.interactions)
        words = encode_catalog(split.catalog, encoder="tfidf-svd")
        random = apply_transforms(words, [RandomVectors(seed=0)], fit_on=list(words.item_ids))
        near, far = (hits(NearestNeighbour(v, split.catalog), split) for v in (words, random))
        found.append((near.mean() - far.mean(), paired_permutation(near, far, seed=0).p))
    assert found[0][1] > 0.01 and found[2][1] < 0.01
    assert found[2][0] > found[1][0] > found[0][0]


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_no_trained_arm_beats_the_oracle(seed: int):
    world = simulate_world(num_users=1500, num_items=120, seed=seed)
    split = leave_one_out(world.catalog, world.interactions)
    best, vectors = hits(world.oracle, split), taste_vectors(world)
    for tower in (
        FrozenTextTower(vectors, split.catalog, dim=32),
        IdTower(split.num_items, dim=32),
    ):
        assert best.mean() > hits(trained(tower, split, max_epochs=5), split).mean()


@pytest.mark.soak
def test_without_text_share_words_are_as_good_as_random_vectors():
    world = simulate_world(num_users=1500, num_items=120, seed=2, text_share=0.0)
    split = leave_one_out(world.catalog, world.interactions)
    words = encode_catalog(split.catalog, encoder="tfidf-svd")
    random = apply_transforms(words, [RandomVectors(seed=0)], fit_on=list(words.item_ids))
    found = [
        hits(trained(FrozenTextTower(v, split.catalog, dim=32), split, max_epochs=4), split)
        for v in (words, random)
    ]
    assert paired_permutation(*found, seed=0).p > 0.01
    told = simulate_world(num_users=1500, num_items=120, seed=2, text_share=1.0, word_order_share=0)
    split = leave_one_out(told.catalog, told.interactions)
    words = encode_catalog(split.catalog, encoder="tfidf-svd")
    near = hits(NearestNeighbour(words, split.catalog), split)
    random = apply_transforms(words, [RandomVectors(seed=0)], fit_on=list(words.item_ids))
    far = hits(NearestNeighbour(random, split.catalog), split)
    assert near.mean() > far.mean() and paired_permutation(near, far, seed=0).p < 0.01


@pytest.mark.soak
def test_with_new_items_and_all_taste_in_the_text_ids_lose():
    world = simulate_world(
        num_users=1500,
        num_items=300,
        seed=3,
        text_share=1.0,
        word_order_share=0.0,
        num_days=60,
        new_items=0.5,
        new_after=0.7,
    )
    split = leave_one_out(world.catalog, world.interactions)
    text = FrozenTextTower(taste_vectors(world), split.catalog, dim=32)
    text, ids = (
        hits(trained(tower, split, max_epochs=5), split)
        for tower in (text, IdTower(split.num_items, dim=32))
    )
    assert text.mean() > ids.mean() and paired_permutation(text, ids, seed=0).p < 0.01
    counts = split.train.item_counts(split.num_items)[split.test.targets]
    assert (text - ids)[counts < 3].mean() > (text - ids)[counts >= 20].mean()


@pytest.mark.soak
def test_behaviour_alone_lets_ids_win():
    world = simulate_world(num_users=3000, num_items=120, seed=4, text_share=0.0)
    split = leave_one_out(*filter_counts(world.catalog, world.interactions, min_user=5)[:2])
    words = encode_catalog(split.catalog, encoder="tfidf-svd")
    text = hits(NearestNeighbour(words, split.catalog), split)
    ids = hits(trained(IdTower(split.num_items, dim=32), split, max_epochs=6), split)
    assert ids.mean() > text.mean() and paired_permutation(ids, text, seed=0).p < 0.01


@pytest.mark.soak
def test_arms_cross_as_data_grows():
    for num_users, max_epochs, sign in ((300, 25, 1), (5000, 15, -1)):
        gains = []
        for seed in range(4):
            world = simulate_world(
                num_users=num_users,
                num_items=1000,
                seed=seed,
                text_share=0.65,
                word_order_share=0.0,
                max_interactions=12,
                popularity_skew=0.0,
                num_days=100,
                new_items=0.5,
                new_after=0.6,
            )
            split = leave_one_out(world.catalog, world.interactions)
            text = FrozenTextTower(taste_vectors(world), split.catalog, dim=32)
            found = []
            for tower in (text, IdTower(split.num_items, dim=32)):
                model = Recommender(tower, MeanHistory(dim=32), seed=0)
                config = TrainConfig(
                    max_epochs=max_epochs, patience=None, batch_size=64, learning_rate=1e-2
                )
                fit(model, split, config, seed=0, progress=False)
                found.append(hits(model, split))
            gains.append(sign * (found[0] - found[1]))
        assert bootstrap_mean(np.concatenate(gains), seed=0).low > 0
