"""Arms whose encoder is quantised: what a config may say, and that the vectors are made so."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tcf.encode import encode_catalog
from tcf.encode.embeddings import Embeddings
from tcf.study.arms import Arm, TunedConfig
from tcf.study.backbones import SASRecConfig
from tcf.study.config import RunConfig, Study, fingerprint
from tcf.study.encoding import encode_arms
from tcf.study.opened import load_split
from tests.tiny_study import study

WHOLE = Arm(name="float32", kind="model", encoder="bert", pooling="mean")
INT8 = WHOLE.model_copy(update={"name": "int8", "quantization": "int8"})


def test_an_arm_without_quantization_has_the_json_that_it_had():
    assert "quantization" not in WHOLE.model_dump(mode="json")
    assert "quantization" not in WHOLE.encoding()
    assert Arm(**INT8.model_dump(mode="json")) == INT8
    keys = {
        fingerprint(
            RunConfig(dataset="d", arm=arm, backbone=SASRecConfig()), split="s", vectors="v"
        )
        for arm in (WHOLE, INT8.model_copy(update={"name": "float32"}))
    }
    assert len(keys) == 2


def test_the_untrained_arm_on_the_same_vectors_is_quantised_as_well():
    assert INT8.nearest().encoding() == INT8.encoding()
    assert INT8.nearest().quantization == "int8"


def test_a_quantised_arm_gets_the_vectors_of_its_quantised_encoder(
    bert_folder: Path, tmp_path: Path
):
    tiny = study(arms=(WHOLE, INT8))
    planned = Study(tiny.name, tiny.load, tiny.runs, lambda *_: {"bert": bert_folder})
    split, _ = load_split(planned, None)
    made = encode_arms(planned, split, cache=tmp_path)
    expected = encode_catalog(
        split.catalog,
        encoder=bert_folder,
        pooling="mean",
        dtype="float32",
        quantization="int8",
        cache=tmp_path,
    )
    int8, whole = made["int8"], made["float32"]
    assert isinstance(int8, Embeddings) and isinstance(whole, Embeddings)
    np.testing.assert_array_equal(int8.vectors, expected.vectors)
    assert int8.key == expected.key != whole.key
    assert not np.array_equal(int8.vectors, whole.vectors)


def test_what_has_no_weights_to_quantise_or_trains_them_says_so(tmp_path: Path):
    with pytest.raises(ValidationError, match="of kind 'id' takes no quantization; got nf4"):
        Arm(name="ID", kind="id", quantization="nf4")
    with pytest.raises(ValidationError, match="weights of int8 cannot be trained: leave quantiz"):
        Arm(**{**INT8.model_dump(), "tuned": TunedConfig(method="lora", rank=2)})
    static = Arm(name="a", kind="static", encoder="tfidf-svd", quantization="int8")
    planned = study(arms=(static,))
    with pytest.raises(ValueError, match="quantization='int8' does not apply to encoder 'tfidf"):
        encode_arms(planned, load_split(planned, None)[0], cache=tmp_path)
