"""Pooling against a few lines of NumPy."""

import numpy as np
import pytest
import torch

from tcf.encode.pooling import POOLINGS

HIDDEN = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
MASKS = {
    "right": np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]]),
    "left": np.array([[1, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]),
}


def witness(name: str, hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
    rows = []
    for states, real in zip(hidden, mask.astype(bool), strict=True):
        kept = states[real]
        rows.append({"mean": kept.mean(0), "last_token": kept[-1], "first_token": kept[0]}[name])
    return np.stack(rows)


@pytest.mark.parametrize("side", MASKS)
@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_reads_real_tokens_only(name: str, side: str) -> None:
    mask = MASKS[side]
    hidden = np.where(mask[..., None], HIDDEN, np.inf).astype(np.float32)  # padding may be anything
    pooled = POOLINGS[name](torch.from_numpy(hidden), torch.from_numpy(mask))
    assert pooled.dtype == torch.float32
    np.testing.assert_allclose(pooled.numpy(), witness(name, hidden, mask), rtol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_gives_float32_from_half_precision(name: str) -> None:
    hidden = torch.from_numpy(HIDDEN).bfloat16()
    assert POOLINGS[name](hidden, torch.ones(3, 5)).dtype == torch.float32
