"""Every pair of placement and precision runs, or is refused with its reason."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tcf.encode.backends.loading import find_blocks, load_model, load_tokenizer, read_config
from tcf.encode.backends.quantize import quantization_config
from tcf.errors import EncoderError
from tests import tiny_models
from tests.resident import resident
from tests.tiny_models import BLOCKS, TITLES

CPU: dict[str, Any] = {"dtype": torch.float32, "device": torch.device("cpu")}
KINDS = [
    "opt",
    "opt_post_norm",
    "llama",
    "gpt_neox",
    "qwen3",
    "mistral",
    "mixtral",
    "bert",
    "roberta",
    "modernbert",
    "t5",
    "bart",
]


def spread(folder: Path) -> dict[str, str]:
    """A device map with the first block in memory, the others on disk, and the rest in memory."""
    from transformers import AutoConfig

    from tcf.encode.backends.loading import model_class

    with torch.device("meta"):
        whole = model_class(AutoConfig.from_pretrained(folder)).from_config(
            AutoConfig.from_pretrained(folder)
        )
    half = whole.get_encoder() if whole.config.model_type == "bart" else whole
    blocks = find_blocks(half)
    assert blocks is not None
    stack = next(name for name, module in whole.named_modules() if module is blocks)
    placed = {f"{stack}.{n}": "cpu" if n == 0 else "disk" for n in range(BLOCKS)}
    for name, _ in whole.named_modules():
        inside = name == stack or name.startswith(f"{stack}.")
        above = f"{stack}.".startswith(f"{name}.") or not name
        if not inside and not above and not any(name.startswith(f"{n}.") for n in placed):
            placed[name] = "cpu"
    return placed


@pytest.mark.parametrize("layer", [-1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_sharded_over_memory_and_disk_is_the_whole_model(
    kind: str, layer: int, stacks: dict[str, Path], tmp_path: Path
):
    found = resident(
        stacks[kind],
        TITLES,
        layer=layer,
        device_map=spread(stacks[kind]),
        offload_folder=tmp_path / "offload",
    )
    np.testing.assert_array_equal(found, resident(stacks[kind], TITLES, layer=layer))


def test_sharding_leaves_blocks_on_disk(opt_folder: Path, tmp_path: Path):
    model, _ = load_model(
        opt_folder, **CPU, device_map=spread(opt_folder), offload_folder=tmp_path / "offload"
    )
    blocks = find_blocks(model)
    assert blocks is not None
    places = [{p.device.type for p in block.parameters()} for block in blocks]
    assert places == [{"cpu"}, {"meta"}, {"meta"}]


def test_auto_spreads_a_model_as_it_fits(opt_folder: Path):
    found = resident(opt_folder, TITLES, device_map="auto")
    np.testing.assert_array_equal(found, resident(opt_folder, TITLES))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_models_load_with_their_layers_replaced(
    quantization: str, dtype: str, tmp_path: Path
):
    import bitsandbytes

    folder = tiny_models.tiny_llama(tmp_path / "m", width=64)
    kind = {"int8": bitsandbytes.nn.Linear8bitLt, "nf4": bitsandbytes.nn.Linear4bit}[quantization]
    where = {"dtype": getattr(torch, dtype), "device": torch.device("cpu")}
    model, missing = load_model(folder, **where, quantization=quantization)
    assert not missing
    blocks = find_blocks(model)
    assert blocks is not None
    assert isinstance(blocks[0].mlp.up_proj, kind)  # type: ignore[union-attr]
    bits = {"int8": torch.int8, "nf4": torch.uint8}[quantization]
    assert blocks[0].mlp.up_proj.weight.dtype == bits  # type: ignore[union-attr]


@pytest.mark.parametrize(("quantization", "least"), [("int8", 0.98), ("nf4", 0.9)])
def test_quantised_vectors_stay_close(quantization: str, least: float, tmp_path: Path):
    # Weights as small as trained ones are, not the wild ones of other tests.
    folder = tiny_models.tiny_llama(tmp_path / "m", width=64, initializer_range=0.05)
    full = resident(folder, TITLES)
    found = resident(folder, TITLES, quantization=quantization)
    norms = np.linalg.norm(full, axis=1) * np.linalg.norm(found, axis=1)
    assert ((full * found).sum(1) / norms).min() > least
    assert not np.array_equal(full, found)


def test_nf4_names_its_settings():
    config = quantization_config("nf4", dtype=torch.bfloat16)
    assert config.bnb_4bit_quant_type == "nf4"
    assert config.bnb_4bit_use_double_quant
    assert config.bnb_4bit_compute_dtype is torch.bfloat16
    with pytest.raises(ValueError, match="must be None, 'int8' or 'nf4'; got 'fp4'"):
        quantization_config("fp4", dtype=torch.bfloat16)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
@pytest.mark.parametrize("places", [("cpu", "disk"), ("disk", "disk"), ("cuda:0", "cpu")])
def test_a_quantised_model_in_part_on_disk_is_refused(
    quantization: str, places: tuple[str, str], opt_folder: Path
):
    device_map = dict(zip(["decoder.layers", "decoder"], places, strict=True))
    with pytest.raises(EncoderError, match=r"leaves unquantised\. Use placement='streamed'"):
        load_model(opt_folder, **CPU, quantization=quantization, device_map=device_map)


def test_nf4_of_odd_widths_is_refused_where_the_kernel_cannot(opt_folder: Path):
    from bitsandbytes.functional import has_avx512bf16

    if has_avx512bf16():
        with pytest.raises(EncoderError, match=r"inputs are a multiple of 64.*has 32 and 32"):
            load_model(opt_folder, **CPU, quantization="nf4")
    else:
        load_model(opt_folder, **CPU, quantization="nf4")


CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

class OwnConfig(PretrainedConfig):
    model_type = "own-kind"
    num_hidden_layers = 1

class OwnModel(PreTrainedModel):
    config_class = OwnConfig
    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(40, 8)
        self.post_init()
    def forward(self, input_ids, return_dict=True):
        return BaseModelOutput(last_hidden_state=self.embed(input_ids))
"""


@pytest.fixture
def own_code_folder(tmp_path: Path) -> Path:
    from safetensors.torch import save_file

    folder = tmp_path / "own"
    folder.mkdir()
    tiny_models.word_tokenizer(folder)
    (folder / "own.py").write_text(CODE)
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    config = {"model_type": "own-kind", "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"embed.weight": torch.arange(320.0).view(40, 8)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_model_with_code_of_its_own_is_refused(own_code_folder: Path):
    with pytest.raises(EncoderError, match=r"'own-kind' comes with code of its own.*own\.OwnModel"):
        load_model(own_code_folder, **CPU)


def test_a_model_with_code_of_its_own_loads_when_it_is_trusted(
    own_code_folder: Path, tmp_path: Path
):
    code = f"""
import torch
from pathlib import Path
from tcf.encode.backends.loading import load_model
model, missing = load_model(
    Path({str(own_code_folder)!r}), dtype=torch.float32, device=torch.device("cpu"),
    trust_remote_code=True,
)
assert not missing
print(model(torch.tensor([[2]])).last_hidden_state.flatten().tolist())
"""
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "HF_HOME": str(tmp_path / "hf")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == list(range(16, 24))


def test_a_left_over_auto_map_of_a_known_kind_runs_no_foreign_code(
    opt_folder: Path, tmp_path: Path
):
    folder = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "gone.Config", "AutoModel": "gone.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    for trusted in (False, True):
        loaded = read_config(folder, trust_remote_code=trusted)
        assert type(loaded).__module__.startswith("transformers.")
    np.testing.assert_array_equal(resident(folder, TITLES), resident(opt_folder, TITLES))


def test_a_config_that_cannot_be_read_is_refused(opt_folder: Path, tmp_path: Path):
    folder = Path(shutil.copytree(opt_folder, tmp_path / "m"))
    (folder / "config.json").write_text("{")
    with pytest.raises(EncoderError, match="the model could not be loaded"):
        load_model(folder, **CPU)


def test_a_tokenizer_with_code_of_its_own_is_not_run(own_code_folder: Path):
    path = own_code_folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config["auto_map"] = {"AutoTokenizer": ["own.OwnTokenizer", None]}
    config.pop("tokenizer_class", None)
    path.write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="no tokenizer could be loaded"):
        load_tokenizer(own_code_folder)
