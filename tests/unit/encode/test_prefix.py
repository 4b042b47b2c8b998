"""A prefix that all texts share: what is found, and that running it once changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tcf.encode.backends.hf import Transformer
from tcf.encode.backends.layers import LayerReader
from tcf.encode.backends.loading import load_model
from tcf.encode.backends.prefix import SharedPrefix, is_causal, keeps_the_past, split
from tcf.encode.backends.protocol import Reading
from tcf.encode.backends.tokens import Tokens
from tests.tiny_models import TITLES

PROMPT = [4, 7, 9, 11, 6, 8, 10, 12, 13]
ENDS = [[5, 6], [14], [15, 16, 17, 18, 19], [5, 20, 21]]


def tokens_of(rows: list[list[int]]) -> Tokens:
    flat = np.array([token for row in rows for token in row])
    return Tokens({"input_ids": flat}, np.cumsum([0, *map(len, rows)]), 0)


def rows_of(tokens: Tokens) -> list[list[int]]:
    pairs = zip(tokens.offsets, tokens.offsets[1:], strict=False)
    return [tokens.columns["input_ids"][a:b].tolist() for a, b in pairs]


class TestSplit:
    def test_what_all_texts_begin_with_is_taken_off(self):
        found = split(tokens_of([PROMPT + end for end in ENDS]))
        assert found is not None
        assert rows_of(found[0]) == [PROMPT]
        assert rows_of(found[1]) == ENDS

    def test_every_text_keeps_a_token(self):
        found = split(tokens_of([PROMPT, [*PROMPT, 5], [*PROMPT, 5]]))
        assert found is not None
        assert rows_of(found[1]) == [PROMPT[-1:], [*PROMPT[-1:], 5], [*PROMPT[-1:], 5]]
        alone = split(tokens_of([PROMPT]))
        assert alone is not None
        assert rows_of(alone[1]) == [PROMPT[-1:]]

    @pytest.mark.parametrize("rows", [[PROMPT, [4, 5]], [[1, *PROMPT], PROMPT], [PROMPT[:8]] * 2])
    def test_little_in_common_is_left_alone(self, rows: list[list[int]]):
        assert split(tokens_of(rows)) is None

    def test_other_columns_must_agree_too(self):
        tokens = tokens_of([PROMPT + end for end in ENDS])
        types = np.zeros_like(tokens.columns["input_ids"])
        types[-len(ENDS[-1]) - 2] = 1
        both = Tokens({**tokens.columns, "token_type_ids": types}, tokens.offsets, 0)
        assert split(both) is None


def tiny(name: str) -> torch.nn.Module:
    """A decoder built from its config, with random weights large enough to tell texts apart."""
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": 24,
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 4,
        "eos_token_id": 4,
    }
    more: dict[str, dict[str, Any]] = {
        "OPT": {"ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.5},
        "Llama": {"intermediate_size": 64, "num_key_value_heads": 2, "initializer_range": 0.5},
        "Mistral": {"intermediate_size": 64, "num_key_value_heads": 2, "sliding_window": 4},
        "Qwen3": {"intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8},
        "GPTNeoX": {"intermediate_size": 64, "initializer_range": 0.5},
    }
    config = getattr(transformers, f"{name}Config")(**sizes, **more[name])
    torch.manual_seed(0)
    return getattr(transformers, f"{name}Model")(config).eval()


def read_by(model: torch.nn.Module, layers: list[int]) -> Callable[[dict[str, Any]], Any]:
    reader = LayerReader(model, layers)

    def read(inputs: dict[str, Any]) -> dict[int, Tensor]:
        with torch.inference_mode():
            return reader(inputs, layers)

    return read


def inputs_of(tokens: Tokens) -> dict[str, Tensor]:
    arrays = tokens.padded(np.arange(len(tokens.lengths)), side="right")
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    return inputs


class TestSharedPrefix:
    @pytest.mark.parametrize("layers", [[-1], [1, -1], [2]])
    @pytest.mark.parametrize("name", ["OPT", "Llama", "Mistral", "Qwen3", "GPTNeoX"])
    def test_states_are_those_of_whole_texts(self, name: str, layers: list[int]):
        read = read_by(tiny(name), layers)
        whole = tokens_of([PROMPT + end for end in ENDS])
        inputs = inputs_of(whole)
        expected, real = read(inputs), inputs["attention_mask"].bool()
        found = split(whole)
        assert found is not None
        prefix = SharedPrefix(read, inputs_of(found[0]))
        for _ in range(2):  # nothing of a batch stays behind
            states, mask = prefix.states(inputs_of(found[1]))
            assert (mask.sum(1) == real.sum(1)).all()
            for layer in layers:
                size = float(expected[layer][real].abs().max())
                torch.testing.assert_close(
                    states[layer][mask.bool()], expected[layer][real], rtol=0, atol=1e-5 * size
                )

    def test_only_causal_models_that_keep_a_past_can_share(self, folders: dict[str, Path]):
        def verdicts(kind: str) -> tuple[bool, bool | None]:
            model, _ = load_model(folders[kind], dtype=torch.float32, device=torch.device("cpu"))
            read = read_by(model, [-1])
            tokens = tokens_of([PROMPT + end for end in ENDS])

            def run(arrays: dict[str, np.ndarray]) -> Tensor:
                return read({name: torch.from_numpy(a) for name, a in arrays.items()})[-1]

            return keeps_the_past(model), is_causal(run, tokens)

        assert verdicts("opt") == (True, True)
        assert verdicts("bert")[1] is False
        assert verdicts("t5") == (False, False)

    def test_one_token_over_and_over_says_nothing_of_causality(self):
        def run(_arrays: dict[str, np.ndarray]) -> Tensor:
            raise AssertionError("nothing to run")

        assert is_causal(run, tokens_of([[3, 3, 3], [4, 5]])) is None


class TestReader:
    TEXTS = tuple(f"the quick brown fox jumps over the lazy dog {title}" for title in TITLES)

    def encode(
        self, folder: Path, readings: list[Reading], *, share: bool | None = None, **settings: Any
    ) -> tuple[list[np.ndarray], int]:
        """Vectors of each reading, and how many tokens the model was given for them."""
        layers = sorted({reading.layer for reading in readings})
        model = Transformer(folder, layers=layers, device="cpu", **settings)
        reader: Any = model.reader
        if share is not None:
            reader._may_share = share
        _ = reader._may_share  # found out once, by a few tokens of its own
        seen: list[int] = []
        table = reader._model.get_input_embeddings()
        table.register_forward_pre_hook(lambda _module, args: seen.append(args[0].numel()))
        result = [np.empty((len(self.TEXTS), 32), np.float32) for _ in readings]
        for positions, vectors in reader.encode(self.TEXTS, np.arange(len(self.TEXTS)), readings):
            for whole, part in zip(result, vectors, strict=True):
                whole[positions] = part
        return result, sum(seen)

    @pytest.mark.parametrize("layers", [(-1,), (1, 2), (2, -1)])
    def test_vectors_are_those_of_whole_texts(self, opt_folder: Path, layers: tuple[int, ...]):
        pools = ("mean", "last_token", "first_token")
        readings = [Reading(layer, pooling) for layer in layers for pooling in pools]
        expected, plain = self.encode(opt_folder, readings, dtype="float32")
        found, shared = self.encode(opt_folder, readings, dtype="float32", share=True)
        assert shared < 0.7 * plain
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * np.abs(other).max())

    def test_a_prompt_is_run_once_in_bfloat16_and_never_in_float32(self, opt_folder: Path):
        readings = [Reading(-1, "mean")]
        whole = self.encode(opt_folder, readings, dtype="float32", share=False)[1]
        assert self.encode(opt_folder, readings, dtype="float32")[1] == whole
        (found,), shared = self.encode(opt_folder, readings, dtype="bfloat16")
        assert shared < 0.7 * whole
        (plain,), _ = self.encode(opt_folder, readings, dtype="bfloat16", share=False)
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(plain, axis=1)
        assert ((found * plain).sum(axis=1) / lengths).min() > 0.999

    @pytest.mark.parametrize("kind", ["bert", "roberta", "t5", "bart"])
    def test_other_models_read_whole_texts(self, kind: str, folders: dict[str, Path]):
        plain = self.encode(folders[kind], [Reading(-1, "mean")], dtype="float32")[1]
        assert self.encode(folders[kind], [Reading(-1, "mean")], dtype="bfloat16")[1] == plain

    def test_below_the_first_block_there_is_nothing_to_share(self, opt_folder: Path):
        (expected,), _ = self.encode(opt_folder, [Reading(0, "mean")], dtype="float32")
        (found,), _ = self.encode(opt_folder, [Reading(0, "mean")], dtype="bfloat16")
        np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())

    def test_a_few_texts_are_read_whole(self, opt_folder: Path):
        model = Transformer(opt_folder, device="cpu", dtype="bfloat16")
        reader: Any = model.reader
        seen: list[int] = []
        table = reader._model.get_input_embeddings()
        table.register_forward_pre_hook(lambda _module, args: seen.append(args[0].numel()))
        list(reader.encode(self.TEXTS[:2], np.arange(2), [Reading(-1, "mean")]))
        assert seen == [2 * 13]

    def test_padding_on_the_left_reads_whole_texts(self, opt_folder: Path):
        readings = [Reading(-1, "mean")]
        settings = {"dtype": "bfloat16", "padding_side": "left"}
        assert self.encode(opt_folder, readings, **settings)[1] > (
            1.3 * self.encode(opt_folder, readings, dtype="bfloat16")[1]
        )
