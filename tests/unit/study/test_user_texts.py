"""Users as texts: which histories are read, what is cut, and what is found again."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tcf.encode import HashedNgrams, encode_items
from tcf.errors import EncoderError
from tcf.evaluate import rank_targets
from tcf.model.user_texts import NearestToText, UserVectors
from tcf.study.arms import Arm, TunedConfig, UserText
from tcf.study.config import Study
from tcf.study.encoding import encode_arms
from tcf.study.opened import load_split
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tcf.study.user_texts import ItemsAndUsers, history_text, states_of
from tests import worlds
from tests.tiny_study import study

ARM = Arm(
    name="users as texts",
    kind="nearest",
    encoder_kind="model",
    encoder="bert",
    pooling="mean",
    user_text=UserText(max_items=3, max_tokens=40),
)


def planned(bert_folder: Path, arm: Arm = ARM) -> Study:
    tiny = study(arms=(arm,))
    return replace(tiny, encoders=lambda *_: {"bert": bert_folder})


def test_histories_are_those_before_the_last_training_item_and_before_each_target():
    split = worlds.block_split(num_users=3)
    users, lengths, known = states_of(split)
    assert users.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert lengths.tolist() == [6, 7, 8] * 3
    for user in range(3):
        whole = split.test.rows[split.test.starts[user] : split.test.ends[user]]
        for rows, length in zip(known[3 * user : 3 * user + 3], (6, 7, 8), strict=True):
            np.testing.assert_array_equal(rows, whole[:length])


def test_a_search_sees_no_history_before_a_test_target():
    _, lengths, _ = states_of(worlds.block_split(num_users=3).without_test())
    assert lengths.tolist() == [6, 7] * 3


def test_two_histories_of_one_length_are_refused():
    split = worlds.block_split(num_users=3)
    other = replace(split.test, rows=split.test.rows[::-1].copy(), ends=split.test.ends - 1)
    with pytest.raises(ValueError, match=r"one history of each length; .* user 0 for two of 7"):
        states_of(replace(split, test=other))


@pytest.mark.parametrize(
    ("most", "text"), [(99, "a. b. c"), (9, "a. b. c"), (8, "b. c"), (5, "c"), (1, "c")]
)
def test_the_oldest_titles_go_first_and_one_stays(most: int, text: str):
    assert history_text(["a", "b", "c"], [2, 3, 4], separator=". ", most=most) == text


def test_users_are_read_by_the_encoder_of_the_items(bert_folder: Path, tmp_path: Path):
    plan = planned(bert_folder)
    split, _ = load_split(plan, None)
    made = encode_arms(plan, split, cache=tmp_path)[ARM.name]
    assert isinstance(made, ItemsAndUsers)
    texts = split.catalog.texts
    task = 4
    known = split.test.rows[split.test.starts[task] : split.test.ends[task]]
    text = ". ".join(texts[row - 1] for row in known[-3:])
    settings = {"encoder": bert_folder, "pooling": "mean", "dtype": "float32"}
    (expected,) = encode_items([text], max_tokens=40, **settings)
    (found,) = made.users.of(split.test.users[[task]], np.array([len(known)]))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    other = ARM.model_copy(update={"user_text": UserText(max_items=2, max_tokens=40)})
    again = encode_arms(planned(bert_folder, other), split, cache=tmp_path)[ARM.name]
    assert again.key != made.key
    model = NearestToText(made.items, made.users, split.catalog)
    users, items = model.score_vectors(split.test)
    unit = expected / np.linalg.norm(expected)
    np.testing.assert_allclose(users[task].numpy(), unit, atol=1e-5)
    np.testing.assert_allclose(items.norm(dim=1).numpy(), 1, atol=1e-5)
    assert len(rank_targets(model, split.test)) == len(split.test)


def test_the_arm_leaves_a_record_like_any_other_and_is_found_again(
    bert_folder: Path, tmp_path: Path
):
    plan = planned(bert_folder)
    run = partial(run_study, plan, records=tmp_path / "r", cache=tmp_path / "c", num_workers=1)
    assert run(say=lambda _: None).num_made == 1
    assert run(say=lambda _: None).num_found == 1
    (record,) = read_records(tmp_path / "r").values()
    assert record["config"]["arm"]["user_text"] == {
        "max_items": 3,
        "max_tokens": 40,
        "separator": ". ",
    }
    assert record["vectors"]["parameters"]["flops_per_item"] > 0


def test_what_was_not_made_is_not_made_up():
    vectors = UserVectors(np.array([0, 0, 2]), np.array([3, 4, 3]), np.eye(3, dtype=np.float32))
    found = vectors.of(np.array([2, 0, 1]), np.array([3, 4, 0]))
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 1, 0], [0, 0, 0]])
    for user, length in ((1, 3), (0, 9), (2, 4)):
        with pytest.raises(ValueError, match=f"there is none of user {user} after {length} items"):
            vectors.of(np.array([0, user]), np.array([3, length]))


def test_only_a_frozen_language_model_reads_users(tmp_path: Path):
    how = UserText()
    with pytest.raises(ValidationError, match="must name a language model to read users' texts"):
        Arm(name="a", kind="static", encoder="tfidf-svd", user_text=how)
    with pytest.raises(ValidationError, match="its encoder is frozen and its vectors are as they"):
        Arm(
            name="a",
            kind="model",
            encoder="x",
            user_text=how,
            tuned=TunedConfig(method="all"),
        )
    plain = ARM.model_copy(update={"pooling": None, "dtype": "auto"})
    plan = replace(study(arms=(plain,)), encoders=lambda *_: {"bert": HashedNgrams()})
    with pytest.raises(EncoderError, match="named by its folder or on the hub; 'bert' is a Hashed"):
        encode_arms(plan, load_split(plan, None)[0], cache=tmp_path)
