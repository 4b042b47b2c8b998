"""What a plan says, and that it needs no weights."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tcf.encode import EncoderSpec, Plan, encode_items, plan
from tcf.encode.encoders import ENCODERS
from tcf.encode.planner import flops_per_item
from tcf.encode.shape import Shape, read_config
from tcf.errors import EncoderError
from tests import tiny_models
from tests.tiny_models import TITLES

ACROSS = [*TITLES, TITLES[0]]


@pytest.fixture
def bare(opt_folder: Path, tmp_path: Path) -> Path:
    """A folder that holds a config alone."""
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(opt_folder / "config.json", folder)
    return folder


def rows(made: Plan) -> dict[str, str]:
    found = made.rows()
    assert len(dict(found)) == len(found)
    return dict(found)


def test_a_local_model(opt_folder: Path) -> None:
    made = plan(ACROSS, encoder=opt_folder, dtype="float32", device="cpu", max_tokens=6)
    shape = Shape.of(read_config(opt_folder))
    assert made.shape == shape
    assert (made.work.num_texts, made.work.num_distinct, made.work.num_stored) == (9, 8, 0)
    lengths = [min(6, 1 + n) for n in (3, 3, 9, 10, 4, 1, 17, 5)]
    assert made.work.counted
    assert made.work.num_tokens == sum(lengths)
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 64) * sum(lengths)
    assert made.flops == 3 * (weights + 4 * 32 * sum(n * n for n in lengths))
    assert made.read_bytes == 4 * shape.total
    assert made.choice.placement == "resident"
    assert made.seconds == made.read_seconds + made.compute_seconds > 0
    shown = rows(made)
    assert shown["texts"] == "9, of which 8 distinct"
    assert shown["in the store"] == "0 of the distinct texts"
    assert shown["tokens to encode"] == f"{sum(lengths)}, texts cut at 6"
    assert shown["placement"].startswith("resident: ")
    assert "from the folder" in shown["encoder"]


def test_what_the_store_holds_is_not_planned_again(opt_folder: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"encoder": opt_folder, "cache": tmp_path, "dtype": "float32"}
    encode_items(TITLES[:3], **settings, prompt="item: {text}", normalize=True)
    made = plan(ACROSS, **settings, prompt="item: {text}", normalize=True)
    assert (made.work.num_distinct, made.work.num_stored) == (8, 3)
    alone = plan(TITLES[3:], **settings, prompt="item: {text}", normalize=True)
    assert (alone.work.num_stored, alone.work.num_tokens) == (0, made.work.num_tokens)
    assert plan(ACROSS, **settings).work.num_stored == 0  # another prompt is another key
    assert plan(ACROSS, **settings, max_tokens=5).work.num_stored == 0


def test_when_all_is_stored_nothing_is_read_or_run(sentence_folder: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"encoder": sentence_folder, "cache": tmp_path}
    encode_items(TITLES, **settings)
    made = plan(ACROSS, **settings)
    assert made.work.num_stored == made.work.num_distinct == 8
    assert (made.work.num_tokens, made.flops, made.read_bytes, made.seconds) == (0, 0, 0, 0)
    assert made.rates is None
    assert rows(made)["expected time"] == "0 s: nothing is left to encode"


def test_a_folder_with_a_config_alone(bare: Path, tmp_path: Path) -> None:
    made = plan(ACROSS, encoder=bare, dtype="float32", cache=tmp_path)
    assert made.work.num_stored == 0  # there is no store
    assert not made.work.counted
    assert "estimated from characters" in rows(made)["tokens to encode"]
    (tmp_path / "embeddings").mkdir()
    unknown = plan(ACROSS, encoder=bare, dtype="float32", cache=tmp_path)
    assert unknown.work.num_stored is None
    assert rows(unknown)["in the store"] == (
        "unknown before the weights are here: the key hashes them"
    )
    assert [path.name for path in bare.iterdir()] == ["config.json"]


def test_weights_of_which_a_part_is_missing_are_not_here(opt_folder: Path, tmp_path: Path) -> None:
    from tcf.encode.source import find_source

    copy = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    assert find_source(EncoderSpec(name=str(copy))).weights
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    assert not find_source(EncoderSpec(name=str(copy))).weights
    index["weight_map"]["b"] = "model.safetensors"
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    other = {"weight_map": {"a": "pytorch_model.bin"}}  # never fetched beside safetensors
    (copy / "pytorch_model.bin.index.json").write_text(json.dumps(other))
    assert find_source(EncoderSpec(name=str(copy))).weights


def test_a_model_far_larger_than_memory(tmp_path: Path) -> None:
    larger = {"hidden_size": 96_000, "ffn_dim": 384_000, "num_hidden_layers": 160}
    config = {**(ENCODERS["opt-175b"].config or {}), **larger}
    (tmp_path / "config.json").write_text(json.dumps(config))
    made = plan(ACROSS, encoder=tmp_path, dtype="bfloat16", device="cpu", batch_tokens=8)
    assert made.choice.placement == "streamed"
    assert made.peak_bytes()["resident"] > 30e12 > made.peak_bytes()["streamed"]
    assert made.seconds == max(made.read_seconds, made.compute_seconds)
    shown = rows(made)
    assert shown["peak memory, resident"].endswith("more than is free on cpu")
    assert shown["size"].startswith("17.7T parameters")
    assert " beside " in shown["expected time"]


def test_a_known_name_needs_no_network() -> None:
    made = plan(["a car"], encoder="qwen3-0.6b", dtype="bfloat16", quantization="int8")
    assert made.source.words == "the table of known encoders"
    assert made.shape.total == ENCODERS["qwen3-0.6b"].total
    assert rows(made)["runs in"].endswith(", blocks in int8")
    by_hub_name = plan(["a car"], encoder="Qwen/Qwen3-0.6B", dtype="bfloat16")
    assert by_hub_name.shape == made.shape
    assert by_hub_name.needs.weights > made.needs.weights
    by_folder = plan(["a car"], encoder="opt-175b", dtype="bfloat16")
    assert by_folder.shape.total == ENCODERS["opt-175b"].total


def test_a_model_in_the_hub_cache(
    opt_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models--someone--tiny"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(opt_folder, snapshot)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0" * 40)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    made = plan(TITLES, encoder="someone/tiny")
    assert made.source.words == "the local hub cache"
    assert made.source.folder == snapshot
    assert made.source.weights
    assert made.work.counted


def test_of_an_unknown_hub_name_the_config_alone_is_fetched(
    opt_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(name: str, file: str, *, revision: str | None) -> str:
        asked.append((name, file, revision))
        return str(opt_folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    made = plan(TITLES, encoder=EncoderSpec(name="nobody/model", revision="v1"))
    assert asked == [("nobody/model", "config.json", "v1")]
    assert made.shape.depth == 3
    assert made.source.words == "its config.json, fetched from the hub"


def test_fewer_blocks_are_less_work(opt_folder: Path) -> None:
    whole = plan(TITLES, encoder=opt_folder)
    assert plan(TITLES, encoder=opt_folder, layer=3).flops == whole.flops
    assert plan(TITLES, encoder=opt_folder, layer=-3).flops == pytest.approx(whole.flops / 3)
    assert plan(TITLES, encoder=opt_folder, layer=0).flops == 0
    streamed = plan(TITLES, encoder=opt_folder, layer=1, placement="streamed")
    assert 0 < streamed.read_bytes < whole.read_bytes


def test_a_placement_that_is_asked_for(opt_folder: Path) -> None:
    made = plan(TITLES, encoder=opt_folder, placement="streamed")
    assert made.choice.placement == "streamed"
    assert made.choice.reason.startswith("asked for; auto would be resident: ")


def test_importing_the_planner_loads_no_torch() -> None:
    code = "import sys, tcf.encode.planner; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


class TestMistakes:
    def test_a_hub_name_that_cannot_be_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unreachable(*args: object, **kwargs: object) -> str:
            raise OSError("Name or service not known\nmore")

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
        message = (
            r"'nobody/model' is no folder here, not in the local hub cache and not in ENCODERS, "
            r"and its config.json could not be fetched from the hub \(Name or service not known\)\."
        )
        with pytest.raises(EncoderError, match=message):
            plan(["a"], encoder="nobody/model")
        with pytest.raises(EncoderError, match="did you mean 'opt-125m'"):
            plan(["a"], encoder="opt125m")

    def test_a_folder_that_is_not_there(self) -> None:
        with pytest.raises(EncoderError, match=r"no encoder folder at .*nowhere; give a folder"):
            plan(["a"], encoder="./nowhere")

    def test_a_folder_without_a_config(self, tmp_path: Path) -> None:
        (tmp_path / "notes.md").touch()
        with pytest.raises(EncoderError, match=r"must hold config.json; found notes.md"):
            plan(["a"], encoder=tmp_path)

    def test_an_encoder_without_weights(self) -> None:
        with pytest.raises(ValueError, match=r"a plan is for language models.*tfidf-svd has none"):
            plan(["a"], encoder="tfidf-svd")

    def test_a_layer_that_is_not_there(self, opt_folder: Path) -> None:
        with pytest.raises(EncoderError, match=r"has 3 blocks, so layer must be within 0..3.* 4"):
            plan(["a car"], encoder=opt_folder, layer=4)

    def test_a_placement_without_meaning(self, opt_folder: Path) -> None:
        message = "placement must be one of auto, resident, sharded, streamed; got 'cloud'"
        with pytest.raises(ValueError, match=message):
            plan(["a car"], encoder=opt_folder, placement="cloud")

    def test_a_setting_that_is_none(self, opt_folder: Path) -> None:
        with pytest.raises(
            TypeError, match="plan takes the keywords of encode_items; got 'polling'"
        ):
            plan(["a car"], encoder=opt_folder, polling="mean")


def test_the_work_of_an_item_is_that_of_its_own_tokens(tmp_path: Path):
    encoder = tiny_models.tiny_opt(tmp_path / "opt")
    titles = TITLES
    whole = flops_per_item(titles, encoder=encoder)
    made = plan(titles, encoder=encoder)
    assert whole == pytest.approx(made.flops / made.work.num_distinct)
    assert flops_per_item(titles, encoder=encoder, layer=1) < whole
    assert flops_per_item(titles, encoder=encoder, max_tokens=2) < whole
