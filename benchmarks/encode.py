"""Texts a second of `encode_items` beside sentence-transformers and the bare model, in one run.

    python -m benchmarks.encode [--texts 2000] [--repeats 5] [--threads N] [--skip-million]

An OPT-125M-shaped model with random weights reads generated titles (see texts.py), every peer cut
at 30 tokens and with mean pooling. All arms take turns; every model is loaded before. Figures are
medians and go to results/encode.json. The study's way is timed on a tenth of the texts, scaled.
Memory and time for a million texts come from processes of their own (see encode_memory.py).
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import encode_memory
from benchmarks.report import median_ratio, spread, table, take_turns, timed, write_result
from benchmarks.texts import MAX_TOKENS, make_model, titles
from tcf import encode_items
from tcf.encode.backends import HfBackend
from tcf.encode.backends.hf import Transformer
from tcf.encode.backends.protocol import Reading

CACHE = Path(__file__).parents[1] / "cache" / "benchmarks"
PEER_BATCHES = (8, 16, 32, 64)
READY_TOKENS = (512, 1024, 2048)  # of the bare forward's batches; the best counts
PEAK_SIZES = (1024, 2048, 4096)
STUDY_SHARE = 0.1
DTYPES = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--skip-million", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = make_model(CACHE / "opt-125m", "opt-125m")
    texts = titles(arguments.texts)
    ready = Ready(folder, texts)
    taken = take_turns(arms(folder, texts, ready), repeats=arguments.repeats)
    result = figures(taken, ready) | agreement(folder, texts)
    if not arguments.skip_million:
        result["million"] = encode_memory.measure(CACHE)
    print_table(result)
    write_result("encode", result)


def arms(folder: Path, texts: list[str], ready: "Ready") -> dict[str, Callable[[], float]]:
    """Seconds of each way to encode all the texts, and of one product of each size."""
    found: dict[str, Callable[[], float]] = {}
    for dtype in DTYPES:
        found |= {f"peak {dtype} {size}": product(size, dtype) for size in PEAK_SIZES}
        backend = loaded(folder, dtype)
        found[f"tcf {dtype}"] = lambda backend=backend: timed(lambda: encode(texts, backend))
    backend = loaded(folder, "bfloat16")
    found["tcf bfloat16 stored"] = lambda: stored(texts, backend)
    for tokens in READY_TOKENS:
        found[f"bare bfloat16 {tokens}"] = lambda tokens=tokens: timed(lambda: ready.run(tokens))
    peers = {dtype: sentence_transformer(folder, dtype) for dtype in DTYPES}
    for dtype, size in [("float32", 32), *(("bfloat16", size) for size in PEER_BATCHES)]:
        found[f"sentence-transformers {dtype} {size}"] = lambda peer=peers[dtype], size=size: timed(
            lambda: peer.encode(texts, batch_size=size, show_progress_bar=False)
        )
    few = texts[: round(len(texts) * STUDY_SHARE)]
    study = one_by_one(folder)
    found["study float32"] = lambda: timed(lambda: study(few)) * len(texts) / len(few)
    return found


def loaded(folder: Path, dtype: str) -> HfBackend:
    """The backend that a folder's name stands for, its model loaded now, so not while timed."""
    model = Transformer(folder, max_tokens=MAX_TOKENS, device="cpu", dtype=dtype)
    backend = HfBackend(model, Reading())
    backend.parameters()
    return backend


def encode(texts: list[str], backend: HfBackend, **where: Any) -> np.ndarray:
    return encode_items(texts, encoder=backend, progress=False, **where)


def stored(texts: list[str], backend: HfBackend) -> float:
    """Seconds of a call that keeps its vectors in a new store."""
    store = tempfile.mkdtemp(dir=CACHE)
    try:
        return timed(lambda: encode(texts, backend, cache=store))
    finally:
        shutil.rmtree(store)


def product(size: int, dtype: str) -> Callable[[], float]:
    left, right = (torch.randn(size, size).to(getattr(torch, dtype)) for _ in range(2))

    def once() -> float:
        several = [timed(lambda: torch.mm(left, right)) for _ in range(5)]
        return statistics.median(several)

    return once


def sentence_transformer(folder: Path, dtype: str) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(
        str(folder),
        model_kwargs={"dtype": getattr(torch, dtype)},
        max_seq_length=MAX_TOKENS,
    )
    width = body.auto_model.config.hidden_size
    return SentenceTransformer(modules=[body, Pooling(width, "mean")], device="cpu")


def one_by_one(folder: Path) -> Callable[[list[str]], list[Tensor]]:
    """As the study's released code does: each text alone, padded to the full length, in float32."""
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def run(texts: list[str]) -> list[Tensor]:
        vectors = []
        for text in texts:
            inputs = tokenizer(
                text,
                max_length=MAX_TOKENS,
                padding="max_length",
                truncation=True,
                return_tensors="pt",
            )
            inputs.pop("token_type_ids", None)
            states, mask = model(**inputs).last_hidden_state, inputs["attention_mask"]
            vectors.append((states * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True))
        return vectors

    return run


class Ready:
    """The bare model in bfloat16 over token ids that lie ready, each batch of one length."""

    def __init__(self, folder: Path, texts: list[str]) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.model = AutoModel.from_pretrained(folder, dtype=torch.bfloat16).eval()
        rows = AutoTokenizer.from_pretrained(folder)(texts, truncation=True, max_length=MAX_TOKENS)
        self.rows = sorted(rows["input_ids"], key=len, reverse=True)
        self.num_tokens = sum(map(len, self.rows))
        self.batches = {tokens: list(self._cut(tokens)) for tokens in READY_TOKENS}
        self.block_weights = sum(p.numel() for p in self.model.decoder.layers.parameters())

    @torch.inference_mode()
    def run(self, tokens: int) -> None:
        for batch in self.batches[tokens]:
            self.model(input_ids=batch, use_cache=False)

    def _cut(self, tokens: int) -> Iterator[Tensor]:
        start = 0
        while start < len(self.rows):
            length = len(self.rows[start])
            several = self.rows[start : start + max(1, tokens // length)]
            alike = [row for row in several if len(row) == length]
            yield torch.tensor(alike)
            start += len(alike)


def figures(taken: dict[str, list[float]], ready: Ready) -> dict[str, Any]:
    """Texts a second, shares of the peaks, and the ratios that are claimed."""
    num_texts = len(ready.rows)
    work = 2 * ready.block_weights * ready.num_tokens
    rates = {n: [num_texts / s for s in v] for n, v in taken.items() if not n.startswith("peak")}
    bare, peer = best(rates, "bare bfloat16"), best(rates, "sentence-transformers bfloat16")
    ours = rates["tcf bfloat16"]
    result: dict[str, Any] = {
        "texts": num_texts,
        "tokens": ready.num_tokens,
        "repeats": len(ours),
        "study_share": STUDY_SHARE,
        "texts_per_second": {name: spread(values, digits=1) for name, values in rates.items()},
        "peer_best": peer,
        "bare_best": bare,
        "ratios": {
            "tcf / sentence-transformers' best, both bfloat16": median_ratio(ours, rates[peer]),
            "tcf / bare forward, both bfloat16": median_ratio(ours, rates[bare]),
            "tcf bfloat16 / sentence-transformers' default (float32, 32)": median_ratio(
                ours, rates["sentence-transformers float32 32"]
            ),
            "tcf float32 / sentence-transformers' default (float32, 32)": median_ratio(
                rates["tcf float32"], rates["sentence-transformers float32 32"]
            ),
            "tcf bfloat16 / study's way (float32)": median_ratio(ours, rates["study float32"]),
        },
        "store_overhead": round(median_ratio(ours, rates["tcf bfloat16 stored"]) - 1, 4),
    }
    for dtype in DTYPES:
        flops = {
            size: [2 * size**3 / s for s in taken[f"peak {dtype} {size}"]] for size in PEAK_SIZES
        }
        top = max(flops.values(), key=statistics.median)
        used = [work / s for s in taken[f"tcf {dtype}"]]
        result[f"peak_{dtype}_gigaflops"] = round(statistics.median(top) / 1e9)
        result[f"share_of_peak_{dtype}"] = median_ratio(used, top)
    return result


def best(rates: dict[str, list[float]], prefix: str) -> str:
    named = [name for name in rates if name.startswith(prefix)]
    return max(named, key=lambda name: statistics.median(rates[name]))


def agreement(folder: Path, texts: list[str]) -> dict[str, Any]:
    """How near the vectors of each arm are, as cosines: the least over the texts."""
    exact, half = (encode(texts, loaded(folder, dtype)) for dtype in DTYPES)
    peer = sentence_transformer(folder, "float32").encode(texts, show_progress_bar=False)
    return {
        "least_cosine_bfloat16_float32": round(float(cosines(half, exact).min()), 6),
        "least_cosine_to_sentence_transformers": round(float(cosines(exact, peer).min()), 6),
    }


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / lengths


def print_table(result: dict[str, Any]) -> None:
    rows = [
        (name, f"{figure['median']:.0f}", f"{figure['low']:.0f} to {figure['high']:.0f}")
        for name, figure in result["texts_per_second"].items()
    ]
    print(table(rows, head=("arm", "texts/s", "range")))
    print(table(list(result["ratios"].items()), head=("ratio", "median of turns")))


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"took {time.perf_counter() - began:.0f} s")
