"""Streaming block by block gives what the whole model in memory gives, bit for bit."""

import functools
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tcf.encode.stream import StreamedReader
from tcf.errors import EncoderError
from tests import tiny_models
from tests.resident import resident
from tests.tiny_models import BLOCKS, TITLES

KINDS = [
    "opt",
    "opt_post_norm",
    "llama",
    "gpt_neox",
    "qwen3",
    "mistral",
    "bert",
    "roberta",
    "modernbert",
    "t5",
    "bart",
]
TEXTS = [f"{a} {b}" for a, b in itertools.product(TITLES, TITLES[:3])]


class Reading(NamedTuple):
    layer: int = -1
    pooling: str = "mean"


READINGS = [
    Reading(),
    Reading(pooling="last_token"),
    Reading(2),
    Reading(2, "first_token"),
    Reading(0),
    Reading(-2, "last_token"),
    Reading(BLOCKS),
]


def stream(
    folder: Path,
    *,
    texts: Sequence[str] = TEXTS,
    wanted: np.ndarray | None = None,
    readings: Sequence[Reading] = READINGS,
    **settings: Any,
) -> list[np.ndarray]:
    """The vectors of each reading; rows that were not wanted are NaN."""
    reader = StreamedReader(
        folder,
        **{"max_tokens": 20, "device": "cpu", "dtype": "float32", "batch_tokens": 64} | settings,
    )
    wanted = np.arange(len(texts)) if wanted is None else wanted
    parts = list(reader.encode(texts, wanted, readings))
    positions = np.concatenate([positions for positions, _ in parts])
    assert sorted(positions) == sorted(wanted)  # each once
    results = []
    for n in range(len(readings)):
        vectors = np.concatenate([vectors[n] for _, vectors in parts])
        result = np.full((len(texts), vectors.shape[1]), np.nan, np.float32)
        result[positions] = vectors
        results.append(result)
    return results


def witness(folder: Path, reading: Reading, **settings: Any) -> np.ndarray:
    return resident(folder, TEXTS, layer=reading.layer, pooling=reading.pooling, **settings)


def assert_streams(folder: Path, *, readings: Sequence[Reading] = READINGS, **settings: Any):
    found = stream(folder, readings=readings, **settings)
    for reading, vectors in zip(readings, found, strict=True):
        np.testing.assert_array_equal(vectors, witness(folder, reading, **settings), str(reading))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["right", "left"])
def test_is_bit_identical_to_the_whole_model(kind: str, side: str, stacks: dict[str, Path]):
    if (kind, side) == ("bart", "left"):
        side = "right"  # BART takes no position ids
    assert_streams(stacks[kind], padding_side=side)


def test_experts_agree_with_the_whole_model(stacks: dict[str, Path]):
    # The files hold each expert, the model holds them stacked; how many rows an expert multiplies
    # at once depends on the padding, so the last bits may differ.
    for reading, vectors in zip(READINGS, stream(stacks["mixtral"]), strict=True):
        expected = witness(stacks["mixtral"], reading)
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["llama", "opt_post_norm", "bert", "t5"])
def test_bfloat16_is_bit_identical_too(kind: str, stacks: dict[str, Path]):
    assert_streams(stacks[kind], readings=READINGS[1:4], dtype="bfloat16")


@pytest.mark.parametrize("kind", ["opt", "llama", "bert", "t5"])
@pytest.mark.parametrize("form", ["safetensors", "bin"])
def test_reads_weights_in_many_files(kind: str, form: str, stacks: dict[str, Path], tmp_path: Path):
    cut = {
        "safetensors": tiny_models.as_safetensors_shards,
        "bin": tiny_models.as_bin_shards,
    }[form]
    folder = cut(tmp_path / kind, stacks[kind])
    assert len(list(folder.glob("*-of-*"))) > 1
    for reading, vectors in zip(READINGS[:3], stream(folder, readings=READINGS[:3]), strict=True):
        np.testing.assert_array_equal(vectors, witness(stacks[kind], reading))


def test_old_names_of_norm_weights_are_understood(bert_folder: Path, tmp_path: Path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(bert_folder, tmp_path / "m"))
    weights = load_file(folder / "model.safetensors")
    old = {
        f"bert.{k}".replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): v
        for k, v in weights.items()
        if "pooler" not in k  # as in a checkpoint of a masked language model
    }
    save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(stream(folder)[0], witness(bert_folder, READINGS[0]))


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
@pytest.mark.parametrize("kind", ["tiny_opt", "tiny_llama"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_blocks_quantised_one_by_one_are_those_of_the_whole_model(
    kind: str, quantization: str, side: str, tmp_path: Path
):
    folder = getattr(tiny_models, kind)(tmp_path / "m", width=64)
    assert_streams(folder, readings=READINGS[:4], quantization=quantization, padding_side=side)


def _one(read: Any, inputs: dict[str, Any], layer: int) -> Any:
    return read(inputs, [layer])[layer]


@pytest.mark.parametrize("kind", [*KINDS, "mixtral"])
def test_parameters_are_those_of_the_loaded_model(kind: str, stacks: dict[str, Path]):
    import torch

    from tcf.encode.backends.layers import LayerReader
    from tcf.encode.backends.loading import load_model
    from tcf.encode.backends.parameters import count_parameters

    reader = StreamedReader(stacks[kind], max_tokens=20, device="cpu", dtype="float32")
    for layer in (-1, 0, 2):
        where = {"dtype": torch.float32, "device": torch.device("cpu")}
        model, missing = load_model(stacks[kind], **where)
        read, token = LayerReader(model, [layer]), torch.ones(1, 1, dtype=torch.long)
        inputs = {"input_ids": token, "attention_mask": token, "position_ids": token}
        run = functools.partial(_one, read, inputs, layer)
        expected = count_parameters(model, run, missing=missing, where=stacks[kind])
        assert reader.parameters(layer) == expected


@pytest.mark.parametrize("where", ["memory", "disk", "chunks", "kept", "kept on disk"])
def test_where_states_are_kept_changes_nothing(where: str, opt_folder: Path, tmp_path: Path):
    settings: dict[str, Any] = {
        "memory": {},
        "disk": {"memory_bytes": 0},
        "chunks": {"chunk_bytes": 2000},
        "kept": {"work": tmp_path / "work"},
        "kept on disk": {"work": tmp_path / "work", "memory_bytes": 0, "chunk_bytes": 2000},
    }[where]
    for found, expected in zip(stream(opt_folder, **settings), stream(opt_folder), strict=True):
        np.testing.assert_array_equal(found, expected)
    if "work" in settings:
        assert [path.name for path in settings["work"].iterdir()] == [".lock"]  # no states are left


def test_only_wanted_texts_run_and_whole_batches_keep_their_bits(opt_folder: Path):
    everything = stream(opt_folder)
    wanted = np.arange(len(TEXTS))[3:]  # cuts one batch of the plan
    for found, expected in zip(stream(opt_folder, wanted=wanted), everything, strict=True):
        assert np.isnan(found[:3]).all()
        atol = 1e-5 * np.abs(expected).max()
        np.testing.assert_allclose(found[3:], expected[3:], rtol=0, atol=atol)
        assert (found[3:] == expected[3:]).all(1).mean() > 0.5


def test_readings_below_the_top_read_no_block_above(opt_folder: Path, tmp_path: Path):
    folder = tiny_models.as_safetensors_shards(tmp_path / "m", opt_folder)
    reader = StreamedReader(folder, max_tokens=20, device="cpu", dtype="float32")
    cut_short(folder, "layers.2.")  # reading it would be an error
    parts = list(reader.encode(TEXTS, np.arange(len(TEXTS)), [Reading(2), Reading(0)]))
    assert sum(len(positions) for positions, _ in parts) == len(TEXTS)


def cut_short(folder: Path, part: str) -> Path:
    """Cut the file that holds the last weight whose name has ``part``, and return it."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    path = folder / [name for key, name in index.items() if part in key][-1]
    os.truncate(path, 100)
    return path


def test_a_stopped_pass_goes_on_after_its_last_block(
    opt_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    folder = tiny_models.as_safetensors_shards(tmp_path / "m", opt_folder)
    settings: dict[str, Any] = {"max_tokens": 20, "device": "cpu", "dtype": "float32"}
    reader = StreamedReader(folder, work=tmp_path / "work", batch_tokens=64, **settings)
    path = cut_short(folder, "layers.2.")
    with pytest.raises(EncoderError, match="became shorter while it was read"):
        list(reader.encode(TEXTS, np.arange(len(TEXTS)), READINGS))
    whole = tiny_models.as_safetensors_shards(tmp_path / "n", opt_folder) / path.name
    path.write_bytes(whole.read_bytes())
    caplog.set_level(logging.INFO, "tcf")
    found = stream(folder, work=tmp_path / "work")
    assert "going on after block 2" in caplog.text
    for vectors, expected in zip(found, stream(opt_folder), strict=True):
        np.testing.assert_array_equal(vectors, expected)


def test_other_texts_or_settings_begin_anew(
    opt_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    work = tmp_path / "work"
    reader = StreamedReader(
        opt_folder, work=work, max_tokens=20, device="cpu", dtype="float32", batch_tokens=64
    )
    some = reader.encode(TEXTS, np.arange(len(TEXTS)), READINGS[:1])
    next(some)
    some.close()  # a pass whose blocks are all done
    assert (work / "checkpoint.json").is_file()
    caplog.set_level(logging.INFO, "tcf")
    others: list[dict[str, Any]] = [
        {"texts": TEXTS[1:]},
        {"dtype": "bfloat16"},
        {"batch_tokens": 32},
        {"readings": READINGS},
    ]
    for other in others:
        kept = {path.name: path.read_bytes() for path in work.iterdir()}
        stream(opt_folder, work=work, **other)
        assert "going on" not in caplog.text, other
        for name, content in kept.items():
            (work / name).write_bytes(content)
    found = stream(opt_folder, work=work, wanted=np.arange(5), readings=READINGS[:1])[0]
    assert f"going on after block {BLOCKS}" in caplog.text
    np.testing.assert_array_equal(found[:5], stream(opt_folder)[0][:5])


def test_a_torn_checkpoint_begins_anew(opt_folder: Path, tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "checkpoint.json").write_text('{"key": ')
    np.testing.assert_array_equal(stream(opt_folder, work=work)[0], stream(opt_folder)[0])


KILLED = """
import sys
from pathlib import Path
import numpy as np
from tcf.encode.stream import StreamedReader
from tests.unit.encode.test_stream import READINGS, TEXTS
folder, work = map(Path, sys.argv[1:])
reader = StreamedReader(
    folder, work=work, max_tokens=20, device="cpu", dtype="float32", batch_tokens=64
)
list(reader.encode(TEXTS, np.arange(len(TEXTS)), READINGS))
"""


def test_a_kill_costs_at_most_the_block_at_work(
    opt_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    work = tmp_path / "work"
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(opt_folder), str(work)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        while not (work / "checkpoint.json").is_file() and process.poll() is None:
            time.sleep(0.0005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    caplog.set_level(logging.INFO, "tcf")
    for vectors, expected in zip(stream(opt_folder, work=work), stream(opt_folder), strict=True):
        np.testing.assert_array_equal(vectors, expected)


def test_one_process_at_a_time_uses_a_folder(opt_folder: Path, tmp_path: Path):
    from filelock import FileLock

    (tmp_path / "work").mkdir()
    with (
        FileLock(tmp_path / "work" / ".lock"),
        pytest.raises(EncoderError, match="one process at a time can stream into a folder"),
    ):
        stream(opt_folder, work=tmp_path / "work")
    (tmp_path / "file").touch()
    with pytest.raises(EncoderError, match="must be a folder that can be written"):
        stream(opt_folder, work=tmp_path / "file")


def test_a_model_without_a_stack_of_blocks_is_refused(tmp_path: Path):
    folder = tiny_models.tiny_albert(tmp_path / "m")
    with pytest.raises(EncoderError, match=r"num_hidden_layers.*Use placement='resident'"):
        stream(folder)


def test_a_layer_that_is_not_there_is_refused(opt_folder: Path):
    with pytest.raises(EncoderError, match=r"layer must be within 0\.\.3"):
        stream(opt_folder, readings=[Reading(4)])


def edited(folder: Path, source: Path, edit: Any) -> Path:
    """A copy of a model's folder with other weights."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("part", ["layers.1.fc1.weight", "embed_positions.weight"])
def test_a_weight_that_no_file_holds_is_refused(part: str, opt_folder: Path, tmp_path: Path):
    folder = edited(
        tmp_path / "m", opt_folder, lambda w: w.pop(next(key for key in w if part in key))
    )
    with pytest.raises(EncoderError, match=rf"weights that shape the vectors.*{part}"):
        stream(folder)


def test_a_weight_of_another_shape_is_refused(opt_folder: Path, tmp_path: Path):
    import torch

    def edit(weights: dict[str, Any]) -> None:
        key = next(key for key in weights if "layers.1.fc1.weight" in key)
        weights[key] = torch.zeros(3, 3)

    folder = edited(tmp_path / "m", opt_folder, edit)
    with pytest.raises(EncoderError, match=r"must fit config.json.*layers\.1\.fc1\.weight"):
        stream(folder)


def test_weight_files_that_cannot_be_read_in_parts_are_refused(opt_folder: Path, tmp_path: Path):
    import shutil

    import torch

    folder = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-10])
    with pytest.raises(EncoderError, match="not a whole safetensors file; download"):
        stream(folder)
    weights.write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    with pytest.raises(EncoderError, match="not a safetensors file"):
        stream(folder)
    weights.write_bytes(content.replace(b'"F32"', b'"F8_"', 1))
    with pytest.raises(EncoderError, match="must be in a plain number format"):
        stream(folder)
    weights.unlink()
    with pytest.raises(EncoderError, match=r"must hold one of model\.safetensors"):
        stream(folder)
    old = folder / "pytorch_model.bin"
    torch.save({"a": torch.zeros(2)}, old, _use_new_zipfile_serialization=False)
    with pytest.raises(EncoderError, match=r"from before version 1\.6"):
        stream(folder)
    torch.save({"a": Path("x")}, old)
    with pytest.raises(EncoderError, match="not a file of tensors"):
        stream(folder)
    old.unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "gone.safetensors"}}')
    with pytest.raises(EncoderError, match=r"gone\.safetensors is missing"):
        stream(folder)
    index.write_text("[]")
    with pytest.raises(EncoderError, match="not an index of weight files"):
        stream(folder)


def test_weights_stored_quantised_are_refused(opt_folder: Path, tmp_path: Path):
    import shutil

    folder = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="stored quantised cannot be streamed"):
        stream(folder)


def test_a_full_disk_says_what_it_must_take(tmp_path: Path):
    import resource

    import torch

    from tcf.encode.states import RowFile

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(EncoderError, match="must take 4,000 bytes of states"):
            RowFile(tmp_path / "rows", (100, 10), torch.float32)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
