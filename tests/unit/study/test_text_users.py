"""TextUsers: a linear map of users' texts, its own or the items', trained like every backbone."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tcf.data.batches import last_batches
from tcf.data.columns import BatchColumns
from tcf.model import FrozenTextTower, Recommender, TextUsers
from tcf.study.arms import Arm, UserText
from tcf.study.backbones import ProjectorConfig, SASRecConfig, TextUsersConfig
from tcf.study.config import RunConfig, grid
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tests import worlds
from tests.tiny_study import TRAIN, study

SPLIT = worlds.block_split(num_users=20)
ARM = Arm(name="text", kind="model", encoder="bert", user_text=UserText(max_tokens=40))


def test_each_user_is_one_example_whose_target_is_the_last_training_item():
    rng = np.random.default_rng(0)
    columns = BatchColumns(SPLIT.num_items)
    batches = list(last_batches(SPLIT.train, max_history=9, batch_size=8, rng=rng, columns=columns))
    assert sorted(torch.cat([batch.users for batch in batches]).tolist()) == list(range(20))
    for batch in batches:
        assert batch.rows is not None
        last = SPLIT.train.rows[SPLIT.train.offsets[batch.users.numpy() + 1] - 1]
        assert batch.rows[batch.targets].tolist() == last.tolist()
        assert (batch.mask.sum(1) == 6).all()
        assert batch.positions.tolist() == batch.owners.tolist() == list(range(len(batch.users)))


def test_a_user_vector_is_a_linear_map_of_the_text_of_the_history_asked_for():
    users = worlds.user_vectors(SPLIT)
    backbone = TextUsers(dim=4, users=users)
    (layer,) = backbone.projector
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[1, 0] = False
    found = backbone.user_vectors(torch.tensor([3, 5]), torch.zeros(1, 4), mask.long(), mask)
    texts = torch.from_numpy(users.of(np.array([3, 5]), np.array([8, 7])))
    torch.testing.assert_close(found, texts @ layer.weight.T + layer.bias)


def test_a_shared_map_is_the_towers_counted_and_saved_once(tmp_path: Path):
    users = worlds.user_vectors(SPLIT)
    vectors = worlds.embeddings(SPLIT.catalog, np.random.default_rng(1).normal(size=(60, 6)))

    def made(seed: int) -> Recommender:
        tower = FrozenTextTower(vectors, SPLIT.catalog, dim=4, num_layers=1, activation=False)
        backbone = TextUsers(dim=4, users=users, shared=tower.projector)
        return Recommender(tower, backbone, seed=seed).eval()

    model = made(0)
    assert model.num_parameters() == {"tower": 6 * 4 + 4, "backbone": 0, "frozen": 0}
    found, _ = model.score_vectors(SPLIT.test)
    lengths = SPLIT.test.ends - SPLIT.test.starts
    texts = torch.from_numpy(users.of(SPLIT.test.users, lengths))
    torch.testing.assert_close(found, model.tower.projector(texts))
    model.save(tmp_path / "weights.safetensors")
    other = made(1)
    other.load_weights(tmp_path / "weights.safetensors")
    assert other.score_vectors(SPLIT.test)[0].equal(found)


@pytest.mark.parametrize("shared", [False, True])
def test_a_study_trains_it_and_finds_it_again(shared: bool, bert_folder: Path, tmp_path: Path):
    runs = grid(
        dataset="blocks",
        arms=[ARM],
        backbones=[(TextUsersConfig(shared=shared), TRAIN)],
        projector=ProjectorConfig(num_layers=1, dropout=0.0, activation=False),
        seeds=[0],
        dim=8,
    )
    plan = replace(study(), runs=runs, encoders=lambda *_: {"bert": bert_folder})
    run = partial(run_study, plan, records=tmp_path / "r", cache=tmp_path / "c", num_workers=1)
    assert run(say=lambda _: None).num_made == 1
    assert run(say=lambda _: None).num_found == 1
    (record,) = read_records(tmp_path / "r").values()
    assert (record["parameters"]["backbone"] == 0) == shared
    assert record["history"]["epochs"][0]["loss"] > record["history"]["epochs"][1]["loss"]


def test_it_goes_with_arms_that_read_users():
    config = partial(RunConfig, dataset="d")
    plain = ARM.model_copy(update={"user_text": None})
    with pytest.raises(ValidationError, match="TextUsers and an arm with user_text go together"):
        config(arm=plain, backbone=TextUsersConfig())
    with pytest.raises(ValidationError, match="go together; got SASRec and arm 'text' with"):
        config(arm=ARM, backbone=SASRecConfig())
    both = ARM.model_copy(update={"with_ids": "sum"})
    with pytest.raises(ValidationError, match="has with_ids='sum': shared=False"):
        config(arm=both, backbone=TextUsersConfig(shared=True))
    assert config(arm=both, backbone=TextUsersConfig()).arm is not None
