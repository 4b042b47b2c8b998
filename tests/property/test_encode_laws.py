"""A vector depends on its text and the settings, on nothing else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcf.encode.backends.hf import HfBackend, Transformer
from tcf.encode.backends.protocol import Reading
from tests.tiny_models import TITLES

KINDS = ["opt", "bert", "roberta", "t5", "bart"]
WORDS = sorted({word for title in TITLES for word in title.split()})
LAWS = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
texts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=2, max_size=10
)
_backends: dict[tuple, HfBackend] = {}


def encode(
    folder: Path,
    given_texts: list[str],
    *,
    batch_tokens: int = 4096,
    side: str = "right",
    layer: int = -1,
    pooling: str = "mean",
) -> np.ndarray:
    key = (folder, batch_tokens, side, layer, pooling)
    if key not in _backends:
        model = Transformer(
            folder,
            layers=[layer],
            device="cpu",
            dtype="float32",
            batch_tokens=batch_tokens,
            padding_side=side,  # type: ignore[arg-type]
        )
        _backends[key] = HfBackend(model, Reading(layer, pooling))
    result = np.empty((len(given_texts), 32), np.float32)
    for positions, vectors in _backends[key].encode(given_texts, np.arange(len(given_texts))):
        result[positions] = vectors
    return result


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("layer", [-1, 2])
@pytest.mark.parametrize("kind", KINDS)
@LAWS
@given(some=texts, batch_tokens=st.sampled_from([1, 20, 60]))
def test_vectors_do_not_depend_on_the_batch(
    kind: str, layer: int, folders: dict[str, Path], some: list[str], batch_tokens: int
) -> None:
    alone = encode(folders[kind], some, batch_tokens=batch_tokens, layer=layer)
    assert_same(alone, encode(folders[kind], some, layer=layer))


@pytest.mark.parametrize("kind", KINDS)
@LAWS
@given(some=texts, rng=st.randoms(use_true_random=False))
def test_vectors_do_not_depend_on_the_order(
    kind: str, folders: dict[str, Path], some: list[str], rng: object
) -> None:
    order = list(range(len(some)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    expected = encode(folders[kind], some)[order]
    assert_same(encode(folders[kind], [some[n] for n in order]), expected)


@pytest.mark.parametrize("pooling", ["mean", "last_token", "first_token"])
# BART takes no position ids: the reason why padding is on the right unless a test moves it.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bart"])
@LAWS
@given(some=texts)
def test_vectors_do_not_depend_on_the_padding_side(
    kind: str, pooling: str, folders: dict[str, Path], some: list[str]
) -> None:
    left = encode(folders[kind], some, side="left", pooling=pooling)
    assert_same(left, encode(folders[kind], some, side="right", pooling=pooling))


@pytest.mark.parametrize("layer", [0, 1, 2, 3, -1, -2, -4])
@pytest.mark.parametrize("kind", KINDS)
def test_layer_k_is_hidden_state_k(kind: str, layer: int, folders: dict[str, Path]) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folders[kind])
    model = AutoModel.from_pretrained(folders[kind]).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    expected = []
    for title in TITLES:  # one by one: no padding to get wrong
        inputs = tokenizer(title, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            states = model(**inputs, output_hidden_states=True).hidden_states
        expected.append(states[layer][0].mean(0).numpy())
    assert_same(encode(folders[kind], TITLES, layer=layer), np.stack(expected))
