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
    import torch

    from tcf.encode.backends.loading import (
        load_model,
        load_tokenizer,
        model_inputs,
        position_offset,
        stop_before,
    )
    from tcf.encode.backends.tokens import Tokens
    from tcf.encode.batching import batches
    from tcf.encode.pooling import POOLINGS

    device = torch.device("cpu")
    model, _ = load_model(folder, dtype=getattr(torch, dtype), device=device, **placement)
    offset, read = position_offset(model), stop_before(model, layer)
    tokens = Tokens.of(load_tokenizer(folder), texts, max_tokens=max_tokens)
    result = {}
    for batch in batches(tokens.lengths, batch_tokens=batch_tokens):
        arrays = tokens.padded(batch, side=padding_side)
        inputs = model_inputs(arrays, device=device, offset=offset)
        with torch.inference_mode():
            vectors = POOLINGS[pooling](read(inputs), inputs["attention_mask"]).numpy()
        result.update(zip(batch.tolist(), vectors, strict=True))
    return np.stack([result[n] for n in range(len(texts))])
