"""Users without training, without a history, with several tasks: all are ranked, or refused."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tcf.data.split import Split, drop_tasks
from tcf.data.time_splits import split_by_time
from tcf.evaluate import hr, rank_targets
from tcf.export import vectors_of
from tcf.model import BACKBONES, IdTower, NearestNeighbour, Popularity, Recommender, Transitions
from tcf.train import TrainConfig, fit
from tcf.train.checkpoint import identity_of
from tcf.train.examples import loss_of
from tests import worlds

CONFIG = TrainConfig(max_epochs=2, patience=None, batch_size=32, learning_rate=1e-2)
WORLD = worlds.timed()
READERS = sorted(name for name, kind in BACKBONES.items() if kind.examples not in ("pairs", "last"))
EVERYONE = partial(split_by_time, validation_from=12, test_from=17, min_history=0)


def recommender(name: str, split: Split) -> Recommender:
    backbone = BACKBONES[name](dim=8, **BACKBONES[name].of_split(split))
    return Recommender(IdTower(split.num_items, dim=8), backbone, seed=0)


def trains_and_ranks(name: str, split: Split) -> None:
    model = recommender(name, split)
    history = fit(model, split, CONFIG, seed=0, progress=False)
    assert np.isfinite([(epoch.loss, epoch.validation) for epoch in history.epochs]).all()
    ledger = rank_targets(model, split.test)
    assert len(ledger) == len(split.test)
    assert ledger.rank.min() >= 1 and ledger.rank.max() <= split.num_items


@pytest.mark.parametrize("made", worlds.SPLITS)
@pytest.mark.parametrize("name", READERS)
def test_what_reads_histories_trains_and_ranks_under_every_split(name: str, made: str):
    trains_and_ranks(name, worlds.SPLITS[made](*WORLD))


@pytest.mark.parametrize("name", READERS)
def test_users_without_a_history_and_users_of_several_tasks_are_ranked(name: str):
    split = EVERYONE(*WORLD, targets="all")
    for part in (split.validation, split.test):
        assert not part.one_a_user and (part.ends == part.starts).any()
    trains_and_ranks(name, split)


@pytest.mark.parametrize("name", READERS)
def test_nobody_with_a_history_is_a_column_of_padding(name: str):
    split = EVERYONE(*WORLD)
    empty = split.validation.ends == split.validation.starts
    nobody = replace(split, validation=split.validation.take(empty).alone())
    assert len(nobody.validation) > 1 and not len(nobody.validation.rows)
    trains_and_ranks(name, nobody)


def test_what_is_not_trained_ranks_users_without_a_history():
    split = EVERYONE(*WORLD, targets="all")
    vectors = worlds.embeddings(split.catalog, np.random.default_rng(0).normal(size=(60, 4)))
    for model in (Popularity(split), Transitions(split), NearestNeighbour(vectors, split.catalog)):
        assert len(rank_targets(model, split.test)) == len(split.test)


@pytest.mark.parametrize("made", ["leave one out before", "by time, first", "cold items"])
def test_user_ids_are_ranked_where_every_user_asked_is_trained_on(made: str):
    trains_and_ranks("DSSM", drop_tasks(worlds.SPLITS[made](*WORLD), new_users=True))


def test_user_ids_that_nothing_is_known_of_are_refused():
    split = worlds.SPLITS["by user"](*WORLD)
    message = (
        r"DSSM knows the users of its training alone; (\d+) of \1 validation tasks are of "
        r"users without a training interaction \(by user .*\): drop_tasks"
    )
    with pytest.raises(ValueError, match=message):
        fit(recommender("DSSM", split), split, CONFIG, seed=0, progress=False)
    timed = drop_tasks(worlds.SPLITS["by time, first"](*WORLD), new_users=True)
    unknown = replace(timed, test=split.test)
    with pytest.raises(ValueError, match=r"\d+ of \d+ test tasks are of users without"):
        fit(recommender("DSSM", timed), unknown, CONFIG, seed=0, progress=False)
    fit(recommender("DSSM", timed), unknown.without_test(), CONFIG, seed=0, progress=False)


def test_training_without_an_example_is_refused():
    split = worlds.SPLITS["by time, first"](*WORLD)
    ones = split.train.take(np.arange(split.num_users), last=1)
    with pytest.raises(ValueError, match="training on sequences needs a user with 2 training inte"):
        fit(recommender("SASRec", split), replace(split, train=ones), CONFIG, seed=0)
    nothing = split.train.take(np.arange(split.num_users), last=0)
    with pytest.raises(ValueError, match="training on pairs needs a user with 1 training inte"):
        fit(recommender("DSSM", split), replace(split, train=nothing), CONFIG, seed=0)


def test_blocks_are_learned_of_users_never_trained_on():
    split = worlds.SPLITS["by user"](*worlds.timed(num_users=400))
    model = recommender("SASRec", split)
    config = CONFIG.model_copy(update={"max_epochs": 30})
    fit(model, split, config, seed=0, progress=False)
    found, popular = (rank_targets(one, split.test) for one in (model, Popularity(split)))
    assert hr(found, k=10).mean() > 2 * hr(popular, k=10).mean()


def test_a_training_is_another_where_validation_knows_something_else():
    split = worlds.SPLITS["by user"](*WORLD)
    rows = split.validation.rows.copy()
    at = split.validation.starts[0]
    rows[at] = rows[at] % split.num_items + 1
    other = replace(split, validation=replace(split.validation, rows=rows))
    model, loss = recommender("SASRec", split), loss_of(CONFIG)
    one, two = (
        identity_of(model, made, CONFIG, loss=loss, seed=0, num_ranks=1)["split"]
        for made in (split, other)
    )
    assert one != two


def test_a_user_of_several_tasks_has_no_one_vector():
    split = EVERYONE(*WORLD, targets="all")
    with pytest.raises(ValueError, match="each user has one vector, as of its one test task; by t"):
        vectors_of(recommender("SASRec", split), split, name="all")
    some = worlds.SPLITS["by user"](*WORLD)
    users = vectors_of(recommender("SASRec", some), some, name="some").users.item_ids
    assert users == tuple(some.train.user_ids[user] for user in some.test.users)
