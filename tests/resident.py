"""The whole model in memory, batch by batch: what streaming and sharding are compared with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def resident(
    folder: Path,
    texts: Sequence[str],
    *,
    layer: int = -1,
    pooling: str = "mean",
    dtype: str = "float32",
    padding_side: Any = "right",
    max_tokens: int = 20,
    batch_tokens: int = 64,
    **placement: Any,
) -> np.ndarray:
    """Return ``(num_texts, E)`` vectors of one layer; ``placement`` goes to `load_model`."""
    from tcf.encode.backends.protocol import Reading
    from tcf.encode.backends.transformer import TransformerReader

    reader = TransformerReader(
        folder,
        layers=[layer],
        max_tokens=max_tokens,
        device="cpu",
        dtype=dtype,
        batch_tokens=batch_tokens,
        padding_side=padding_side,
        **{"quantization": None, "trust_remote_code": False, **placement},
    )
    everything, result = np.arange(len(texts)), {}
    for batch, (vectors,) in reader.encode(texts, everything, [Reading(layer, pooling)]):
        result.update(zip(batch.tolist(), vectors, strict=True))
    return np.stack([result[n] for n in range(len(texts))])
