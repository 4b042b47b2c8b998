"""Arms whose encoder is trained: what a config may say, and a run of each from end to end."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tcf.data.catalog import Catalog
from tcf.study.arms import Arm, TunedConfig
from tcf.study.backbones import SASRecConfig
from tcf.study.config import Study, grid
from tcf.study.records import read_records
from tcf.study.runner import run_study
from tcf.train import TrainConfig
from tests import worlds

WORDS = ["blue dress", "red car", "lazy dog", "chili food"]


def load(_data: Path | None):
    split = worlds.block_split(num_users=40)
    items = split.catalog.item_ids
    titles = tuple(f"{WORDS[n // 15]} {n}" for n in range(len(items)))
    whole = worlds.interactions(split.test.rows.reshape(40, 9))
    return Catalog(items, titles), whole


def test_tuned_and_hybrid_arms_run_and_say_what_they_trained(bert_folder: Path, tmp_path: Path):
    text = {"kind": "model", "encoder": "bert", "pooling": "mean"}
    arms = [
        Arm(name="frozen + IDs", with_ids="sum", **text),
        Arm(name="top", tuned=TunedConfig(num_tuned_layers=1), **text),
        Arm(name="all", tuned=TunedConfig(method="all"), with_ids="gate", **text),
        Arm(name="LoRA", tuned=TunedConfig(method="lora", rank=2), **text),
        Arm(name="adapters", tuned=TunedConfig(method="adapter", adapter_size=1), **text),
    ]
    train = TrainConfig(max_epochs=1, batch_size=32)
    runs = grid(
        dataset="d", arms=arms, backbones=[(SASRecConfig(max_history=5), train)], seeds=[0], dim=8
    )
    planned = Study("tuned", load, runs, lambda *_: {"bert": bert_folder})
    settings = {"records": tmp_path / "r", "cache": tmp_path / "c", "say": lambda _: None}
    assert run_study(planned, num_workers=1, **settings).num_made == 5
    assert run_study(planned, num_workers=1, **settings).num_found == 5
    trained = {
        r["config"]["arm"]["name"]: r["parameters"] for r in read_records(tmp_path / "r").values()
    }
    assert "encoder" not in trained["frozen + IDs"]
    assert 0 < trained["adapters"]["encoder"] < trained["LoRA"]["encoder"]
    assert trained["LoRA"]["encoder"] < trained["top"]["encoder"] < trained["all"]["encoder"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "method='top' needs num_tuned_layers"),
        ({"num_tuned_layers": 2, "rank": 4}, "method='top' takes no rank; got 4"),
        ({"num_tuned_layers": 2, "alpha": 4}, "method='top' takes no alpha; got 4"),
        ({"method": "all", "num_tuned_layers": 2}, "method='all' takes no num_tuned_layers; got 2"),
        ({"method": "lora"}, "method='lora' needs rank; got None"),
        ({"method": "adapter"}, "method='adapter' needs adapter_size; got None"),
        (
            {"method": "lora", "rank": 2, "adapter_size": 2},
            "method='lora' takes no adapter_size; got 2",
        ),
    ],
)
def test_a_method_says_what_it_needs(settings: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        TunedConfig(**settings)


def test_only_a_model_is_tuned():
    tuned = TunedConfig(method="lora", rank=4)
    with pytest.raises(ValidationError, match="'tfidf-svd' is a static encoder and has no blocks"):
        Arm(name="a", kind="static", encoder="tfidf-svd", tuned=tuned)
    with pytest.raises(ValidationError, match="takes no tuned"):
        Arm(name="a", kind="id", tuned=tuned)
    with pytest.raises(ValidationError, match="takes no with_ids; got sum"):
        Arm(name="a", kind="id", with_ids="sum")
    with pytest.raises(ValidationError, match="so it reads the last layer and takes no transforms"):
        Arm(name="a", kind="model", encoder="x", layer=2, tuned=tuned)
