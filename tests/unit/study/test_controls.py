"""Control arms: one line to add, each differs in what it is about, and they run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tcf.data.catalog import Catalog
from tcf.encode import (
    PCA,
    EncoderSpec,
    HashedNgrams,
    RandomProjection,
    RandomVectors,
    Shuffle,
    Whitening,
)
from tcf.errors import EncoderError
from tcf.study.arms import Arm, TunedConfig
from tcf.study.cells import read_cells
from tcf.study.claims import claims
from tcf.study.config import Study
from tcf.study.controls import CONTROLS, controls
from tcf.study.encoding import encode_arms
from tcf.study.opened import load_split
from tcf.study.runner import run_study
from tests import tiny_models
from tests.tiny_study import study

SMALL = Arm(name="small", kind="model", family="f", encoder="small", pooling="mean")
LARGE = Arm(name="large", kind="model", family="f", encoder="large", pooling="mean")
BARE = Arm(name="small", kind="model", encoder="small")


def test_every_control_is_about_one_thing():
    made = {(arm.control, arm.name): arm for arm in controls([SMALL, LARGE])}
    assert {control for control, _ in made} == set(CONTROLS)
    assert len(made) == 4 + 5
    for arm in made.values():
        if arm.control_of:
            of = {"small": SMALL, "large": LARGE}[arm.control_of]
            changed = {
                field for field in Arm.model_fields if getattr(arm, field) != getattr(of, field)
            }
            about = {"name", "control", "control_of", "family"}
            assert changed - about == ({"kind"} if arm.kind == "random" else {"transforms"})
    shuffled = made["shuffled", "large, shuffled texts"]
    assert shuffled.transforms == (Shuffle(),) and shuffled.family is None
    noise = made["random_vectors", "large, random vectors"]
    assert noise.transforms == (RandomVectors(),)


def test_transforms_of_an_arm_come_first():
    white = LARGE.model_copy(update={"transforms": (Whitening(dims=4),)})
    (arm,) = controls([white], which=["shuffled"])
    assert arm.transforms == (Whitening(dims=4), Shuffle())


def test_what_the_study_has_is_not_made_again():
    arms = [LARGE, Arm(name="bags", kind="static", encoder="tfidf-svd")]
    arms.append(Arm(name="pop", kind="popularity"))
    assert {arm.control for arm in controls(arms)} == {
        "random_weights",
        "shuffled",
        "random_vectors",
    }  # and one encoder has no other width


def test_tuned_and_mixed_arms_are_not_controlled():
    tuned = Arm(name="tuned", kind="model", encoder="e", tuned=TunedConfig(num_tuned_layers=1))
    mixed = Arm(name="mixed", kind="model", encoder="e", with_ids="sum")
    with pytest.raises(ValueError, match="controls are of frozen language models; the arms are tu"):
        controls([tuned, mixed])


def test_an_unknown_control_is_named():
    with pytest.raises(ValueError, match=r"a control must be one of .*did you mean 'shuffled'"):
        controls([LARGE], which=["shufled"])


def test_a_control_says_of_what_kind_it_is():
    with pytest.raises(ValidationError, match="is a control of 'x' and must say of what kind"):
        Arm(name="a", kind="id", control_of="x")


def with_encoders(folder: Path, arms: list[Arm]) -> Study:
    found = {
        "small": tiny_models.tiny_bert(folder / "small", seed=5),
        "large": tiny_models.tiny_llama(folder / "large", seed=5, width=64),
    }
    planned = replace(study(arms=tuple(arms)), encoders=lambda *_: found)
    return replace(planned, load=lambda _: (titled(load_split(planned, None)[0].catalog), _kept()))


def titled(catalog: Catalog) -> Catalog:
    titles = tiny_models.TITLES
    return Catalog(catalog.item_ids, tuple(titles[n % len(titles)] for n in range(60)))


def _kept():
    return study().load(None)[1]


def test_they_have_the_vectors_that_they_say(tmp_path: Path):
    arms = [SMALL, LARGE]
    made = controls(arms, which=["width", "random_weights", "shuffled", "random_vectors"])
    planned = with_encoders(tmp_path, [*arms, *made])
    split = load_split(planned, None)[0]
    vectors = encode_arms(planned, split, cache=tmp_path / "cache")
    widths = {name: found.width for name, found in vectors.items()}
    assert widths["large"] == 64 > widths["small"]
    for name in ("PCA to one width", "projected to one width"):
        assert widths[f"large, {name}"] == widths[f"small, {name}"] == widths["small"]
    assert len({found.key for found in vectors.values()}) == len(vectors)
    plain, other = vectors["large"].vectors, vectors["large, shuffled texts"].vectors
    np.testing.assert_array_equal(np.unique(plain, axis=0), np.unique(other, axis=0))
    drawn = vectors["large, random weights"].vectors
    assert drawn.shape == plain.shape and not np.allclose(drawn, plain)
    again = encode_arms(planned, split, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again["large, random weights"].vectors, drawn)


def test_random_weights_are_read_as_the_encoder_is_and_stay_random_untrained(tmp_path: Path):
    folder = tiny_models.tiny_bert(tmp_path / "bert", seed=5)
    spec = EncoderSpec(name=str(folder), pooling="first_token", prompt="red {text}")
    (drawn,) = controls([BARE], which=["random_weights"])
    planned = with_encoders(tmp_path, [BARE, drawn, drawn.nearest()])
    planned = replace(planned, encoders=lambda *_: {"small": spec})
    vectors = encode_arms(planned, load_split(planned, None)[0], cache=tmp_path / "cache")
    plain, random, nearest = (vectors[a.name] for a in (BARE, drawn, drawn.nearest()))
    assert random.manifest["prompt"] == plain.manifest["prompt"] == "red {text}"
    assert random.manifest["encoder"]["pooling"] == "first_token"
    assert plain.manifest["encoder"]["pooling"] == "first_token"
    assert random.key == nearest.key != plain.key
    assert drawn.nearest().control_of == "small, nearest"


def test_an_arm_of_random_weights_that_the_study_does_not_make_is_drawn(tmp_path: Path):
    folder = tiny_models.tiny_bert(tmp_path / "bert", seed=5)
    read = [Arm(name=kind, kind=kind, encoder=str(folder)) for kind in ("model", "random")]
    planned = replace(with_encoders(tmp_path, read), encoders=None)
    split = load_split(planned, None)[0]
    drawn = encode_arms(planned, split, cache=tmp_path / "cache")
    assert drawn["random"].key != drawn["model"].key
    planned = replace(planned, encoders=lambda *_: {str(folder): folder})
    made = encode_arms(planned, split, cache=tmp_path / "cache")
    assert made["random"].key == made["model"].key  # the study says that this one is random


def test_random_weights_need_a_language_model(tmp_path: Path):
    (drawn,) = controls([BARE], which=["random_weights"])
    planned = replace(
        with_encoders(tmp_path, [drawn]), encoders=lambda *_: {"small": HashedNgrams()}
    )
    with pytest.raises(EncoderError, match=r"arm 'small, random w.*'small' is a HashedNgrams"):
        encode_arms(planned, load_split(planned, None)[0], cache=tmp_path / "cache")


def test_one_width_is_that_after_an_arms_own_transforms(tmp_path: Path):
    white = SMALL.model_copy(update={"transforms": (Whitening(dims=4),)})
    planned = with_encoders(tmp_path, [*controls([white, LARGE], which=["width"]), white, LARGE])
    vectors = encode_arms(planned, load_split(planned, None)[0], cache=tmp_path / "cache")
    assert {found.width for name, found in vectors.items() if "one width" in name} == {4}


def test_the_smallest_width_needs_a_language_model(tmp_path: Path):
    arm = Arm(name="bags", kind="static", encoder="tfidf-svd", transforms=(PCA(dims="smallest"),))
    planned = with_encoders(tmp_path, [arm])
    with pytest.raises(ValueError, match=r"arm 'bags' goes to the smallest width .* it has none"):
        encode_arms(planned, load_split(planned, None)[0], cache=tmp_path / "cache")


def test_the_smallest_width_is_that_of_the_models_and_no_other_arm(tmp_path: Path):
    transforms = (PCA(dims="smallest"), RandomProjection(dims=3))
    narrow = Arm(name="bags", kind="static", encoder="tfidf-svd")
    last = LARGE.model_copy(update={"name": "both", "transforms": transforms})
    planned = with_encoders(tmp_path, [SMALL, narrow, last])
    vectors = encode_arms(planned, load_split(planned, None)[0], cache=tmp_path / "cache")
    assert vectors["both"].width == 3
    steps = vectors["both"].manifest["transforms"]
    assert [step["dims"] for step in steps] == [vectors["small"].width, 3]


def test_a_study_with_its_controls_runs_and_says_what_they_explain(tmp_path: Path):
    arms = [Arm(name="ID", kind="id"), SMALL, LARGE]
    planned = with_encoders(tmp_path, [*arms, *controls(arms)])
    planned = replace(planned, runs=tuple(r for r in planned.runs if r.arm.name != "ID"))
    sasrec = tuple(r for r in planned.runs if r.backbone is None or r.backbone.name == "SASRec")
    where = {"records": tmp_path / "r", "cache": tmp_path / "cache", "num_workers": 1}
    run_study(replace(planned, runs=sasrec), **where, say=lambda line: None)
    cells = read_cells(tmp_path / "r")
    assert {cell.records[0]["config"]["arm"].get("control") for cell in cells} == {None, *CONTROLS}
    work = {
        c.arm: c.records[0]["vectors"]["parameters"] for c in cells if c.arm in ("small", "large")
    }
    assert work["large"]["flops_per_item"] > work["small"]["flops_per_item"] > 0
    first = claims(cells)[0]
    assert first.arm in ("small", "large")
    own = {"random_weights", "shuffled", "random_vectors"}  # they belong to the larger
    assert set(first.missing) == (set() if first.arm == "large" else own)
