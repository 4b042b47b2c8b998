"""Arms with transforms: fitted on training items, named in records; older runs keep their names."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tcf.data.catalog import Catalog
from tcf.data.split import Split
from tcf.encode import L2, PCA, HashedNgrams, Whitening, apply_transforms, encode_catalog
from tcf.study.arms import Arm
from tcf.study.backbones import SASRecConfig
from tcf.study.config import RunConfig, Study, fingerprint
from tcf.study.encoding import encode_arms
from tcf.study.opened import load_split
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tests import worlds
from tests.tiny_study import study

REPOSITORY = Path(__file__).parents[3]
RECORDS = sorted(REPOSITORY.glob("experiments/*/records/*.json"))
PLAIN = Arm(name="n-grams", kind="static", encoder="n-grams")
WHITE = Arm(name="whitened", kind="static", encoder="n-grams", transforms=(Whitening(dims=4), L2()))


def encoders(_names: object, _catalog: Catalog, _cache: Path) -> dict[str, HashedNgrams]:
    return {"n-grams": HashedNgrams(dims=16)}


def with_encoders(planned: Study) -> Study:
    return Study(planned.name, planned.load, planned.runs, encoders, metrics=planned.metrics)


def split_with_cold_items() -> Split:
    """Items 1 to 30 are trained on; 31 to 60 are met in the validation and the test only."""
    train = [[1 + (user + 7 * n) % 30 for n in range(5)] for user in range(30)]
    whole = [[*rows, 31 + user, 31 + (user + 1) % 30] for user, rows in enumerate(train)]
    split = worlds.leave_one_out(worlds.catalog(60), worlds.interactions(whole))
    assert set(split.train.rows) == set(range(1, 31))
    return split


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_committed_runs_keep_their_fingerprint(path: Path):
    record = json.loads(path.read_text(encoding="utf-8"))
    config = RunConfig(**record["config"])
    found = fingerprint(
        config,
        split=record["data"]["checksum"],
        vectors=record["vectors"] and record["vectors"]["key"],
        source=record.get("source", {}).get("fingerprint"),
        labels=record["data"].get("labels"),
    )
    assert found == record["fingerprint"]
    assert config.model_dump(mode="json") == record["config"]


def test_there_are_records_to_keep():
    assert len(RECORDS) > 40


def test_an_arm_with_transforms_comes_back_from_its_json_and_has_its_own_fingerprint():
    plain, white = (
        RunConfig(dataset="d", arm=arm, backbone=SASRecConfig()) for arm in (PLAIN, WHITE)
    )
    dumped = json.loads(json.dumps(white.model_dump(mode="json")))
    assert dumped["arm"]["transforms"] == [
        {"name": "whitening", "dims": 4, "floor": 1e-5},
        {"name": "l2"},
    ]
    assert RunConfig(**dumped) == white
    unnamed = white.model_copy(update={"arm": white.arm.model_copy(update={"name": "n-grams"})})
    assert fingerprint(unnamed, split="s", vectors="v") != fingerprint(
        plain, split="s", vectors="v"
    )
    assert "transforms" not in plain.model_dump(mode="json")["arm"]


def test_an_arm_without_text_takes_no_transforms():
    with pytest.raises(ValidationError, match=r"arm 'ID' of kind 'id' takes no transforms; got \("):
        Arm(name="ID", kind="id", transforms=(L2(),))


def test_arms_are_fitted_on_the_items_of_the_training_part(tmp_path: Path):
    split = split_with_cold_items()
    planned = with_encoders(study(arms=(PLAIN, WHITE)))
    made = encode_arms(planned, split, cache=tmp_path)
    plain = encode_catalog(split.catalog, encoder=HashedNgrams(dims=16))
    np.testing.assert_array_equal(made["n-grams"].vectors, plain.vectors)
    warm = split.catalog.item_ids[:30]
    expected = apply_transforms(plain, WHITE.transforms, fit_on=warm)
    np.testing.assert_array_equal(made["whitened"].vectors, expected.vectors)
    assert made["whitened"].key == expected.key != plain.key
    assert made["whitened"].manifest["transforms"][0]["fit_on"]["num_items"] == 30


def test_a_record_names_the_transforms_and_is_found_again(tmp_path: Path):
    planned = with_encoders(study(max_epochs=1, arms=(PLAIN, WHITE)))
    where = {"records": tmp_path / "records", "cache": tmp_path / "cache", "num_workers": 1}
    said: list[str] = []
    assert run_study(planned, **where, say=said.append).num_made == 4
    assert run_study(planned, **where, say=said.append).num_found == 4
    num_training = len(np.unique(load_split(planned, None)[0].train.rows))
    for record in read_records(tmp_path / "records").values():
        vectors = record["vectors"]
        assert vectors["encoder"] == "n-grams"
        if record["config"]["arm"]["name"] == "n-grams":
            assert set(vectors) == {"key", "encoder", "width", "parameters"}
            continue
        assert vectors["width"] == 4
        whitening, l2 = vectors["transforms"]
        assert whitening["fit_on"]["num_items"] == num_training
        assert (whitening["name"], whitening["dims"], l2["name"]) == ("whitening", 4, "l2")


def test_a_transform_that_cannot_be_fitted_stops_the_study_before_any_run(tmp_path: Path):
    arm = WHITE.model_copy(update={"transforms": (PCA(dims=17),)})
    with pytest.raises(ValueError, match="pca needs dims of at most the vectors' width 16; got 17"):
        encode_arms(with_encoders(study(arms=(arm,))), split_with_cold_items(), cache=tmp_path)
