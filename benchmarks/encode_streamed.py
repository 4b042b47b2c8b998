"""A model of twice the memory that it may use: streamed, beside accelerate's disk offload.

    python -m benchmarks.encode_streamed [--texts 2000] [--repeats 3]      (Linux, as root)

An OPT-1.3B-shaped model (2.6 GB in bfloat16, made once) encodes generated titles under a limit of
1.3 GB that a memory cgroup sets, its files dropped from the page cache before. Beside it: the same
work with the model resident and no limit; one cold reading of the weights; and accelerate's disk
offload under the same limit for a few batches, extrapolated to all of them. Each is a process of
its own. Figures are medians and go to results/encode_streamed.json.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.probe import (
    PeakAnonymous,
    drop_from_page_cache,
    join_group,
    limited_memory,
    read_bytes,
    run_arm,
)
from benchmarks.report import spread, table, write_result
from benchmarks.texts import MAX_TOKENS, SHAPES, VOCABULARY_SIZE, make_model, titles, token_lengths

CACHE = Path(__file__).parents[1] / "cache" / "benchmarks"
DTYPE, BYTES = "bfloat16", 2
LIMIT_BYTES = 1_300_000_000
OFFLOAD_BATCHES, OFFLOAD_BATCH_SIZE = 3, 32  # sentence-transformers' and many scripts' default size
OVERHEAD_BYTES = 800_000_000  # of the limit, what accelerate may not fill: Python, work, one block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="opt-1.3b")
    parser.add_argument("--limit-bytes", type=int, default=LIMIT_BYTES)
    parser.add_argument("--arm", choices=sorted(ARMS))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--group")
    arguments = parser.parse_args()
    if arguments.arm:
        join_group(arguments.group)
        print(json.dumps(ARMS[arguments.arm](arguments)))
        return
    folder = make_model(CACHE / arguments.shape, arguments.shape, dtype=DTYPE)
    turns: list[dict[str, dict[str, Any]]] = []
    with limited_memory(arguments.limit_bytes) as group:
        for _ in range(arguments.repeats):
            turn = {name: run(name, folder, group, arguments) for name in ARMS}
            print(json.dumps(turn), flush=True)
            turns.append(turn)
    result = figures(turns, folder, arguments.shape, arguments.texts)
    print(table(list(result.items()), head=("figure", "value")))
    result |= {"limit_bytes": arguments.limit_bytes, "turns": turns}
    write_result("encode_streamed", result)


def run(name: str, folder: Path, group: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One arm in a process of its own, the files cold, under the limit where it has one."""
    drop_from_page_cache(folder)
    return run_arm(
        "benchmarks.encode_streamed",
        name,
        folder=folder,
        texts=arguments.texts,
        limit_bytes=arguments.limit_bytes,
        group=group if name in ("streamed", "offload") else None,
    )


def read(arguments: argparse.Namespace) -> dict[str, Any]:
    """Read all weights once, in order, in pieces of 8 MB."""
    before, began, size = read_bytes(), time.perf_counter(), 0
    for path in sorted(arguments.folder.glob("*.safetensors")):
        with open(path, "rb", buffering=0) as file:
            while piece := len(file.read(2**23)):
                size += piece
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "bytes": size, "read_bytes": read_bytes() - before}


def resident(arguments: argparse.Namespace) -> dict[str, Any]:
    """The seconds of encoding alone: the model is loaded before."""
    from tcf import encode_items
    from tcf.encode.backends import HfBackend
    from tcf.encode.backends.hf import Transformer
    from tcf.encode.backends.protocol import Reading

    prepare()
    model = Transformer(arguments.folder, max_tokens=MAX_TOKENS, device="cpu", dtype=DTYPE)
    backend = HfBackend(model, Reading())
    backend.parameters()
    texts = titles(arguments.texts)
    began = time.perf_counter()
    encode_items(texts, encoder=backend, progress=False)
    return {"seconds": time.perf_counter() - began}


def streamed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole call, from a folder on disk to vectors."""
    from tcf import encode_items

    prepare()
    texts = titles(arguments.texts)
    before, began = read_bytes(), time.perf_counter()
    with PeakAnonymous() as memory:
        encode_items(
            texts, encoder=arguments.folder, dtype=DTYPE, placement="streamed", progress=False
        )
    return {
        "seconds": time.perf_counter() - began,
        "read_bytes": read_bytes() - before,
        "peak_anonymous_bytes": memory.above_start_bytes,
        "anonymous_bytes_after_imports": memory.start_bytes,
    }


def offload(arguments: argparse.Namespace) -> dict[str, Any]:
    """A few batches through accelerate's disk offload, after one that warms up."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    prepare()
    folder = arguments.folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(
        folder,
        dtype=getattr(torch, DTYPE),
        device_map="auto",
        max_memory={"cpu": max(0, arguments.limit_bytes - OVERHEAD_BYTES)},
        offload_folder=str(folder.parent / "offload"),
    ).eval()
    texts = sorted(titles(arguments.texts), key=len)
    starts = range(0, len(texts), OFFLOAD_BATCH_SIZE)
    places = np.linspace(0, len(starts) - 1, OFFLOAD_BATCHES + 1).round().astype(int)
    seconds, amounts = [], []
    for start in (starts[place] for place in places):  # from the shortest to the longest
        rows = texts[start : start + OFFLOAD_BATCH_SIZE]
        inputs = tokenizer(
            rows, max_length=MAX_TOKENS, truncation=True, padding=True, return_tensors="pt"
        )
        before, began = read_bytes(), time.perf_counter()
        with torch.inference_mode():
            model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                use_cache=False,
            )
        seconds.append(time.perf_counter() - began)
        amounts.append(read_bytes() - before)
    return {
        "seconds_a_batch": statistics.median(seconds[1:]),
        "read_bytes_a_batch": statistics.median(amounts[1:]),
    }


def prepare() -> None:
    """Import what any arm needs, so that memory and time above this are the arm's own."""
    import accelerate  # noqa: F401
    import torch
    import transformers.models.opt.modeling_opt  # noqa: F401

    import tcf.encode.backends.transformer  # noqa: F401

    torch.set_num_threads(os.cpu_count() or 1)


ARMS = {"read": read, "resident": resident, "streamed": streamed, "offload": offload}


def figures(
    turns: list[dict[str, dict[str, Any]]], folder: Path, shape: str, num_texts: int
) -> dict[str, Any]:
    """The claims: bytes against the weights, time against resident plus one reading, memory."""

    def each(arm: str, key: str) -> list[float]:
        return [turn[arm][key] for turn in turns]

    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    rates = [turn["read"]["bytes"] / turn["read"]["seconds"] for turn in turns]
    bounds = [turn["resident"]["seconds"] + turn["read"]["seconds"] for turn in turns]
    times = each("streamed", "seconds")
    num_batches = -(-num_texts // OFFLOAD_BATCH_SIZE)
    by_batch = statistics.median(each("offload", "read_bytes_a_batch"))
    return {
        "texts": num_texts,
        "weights_bytes": weights,
        "disk_bytes_per_second": spread(rates, digits=0),
        "resident_seconds": spread(each("resident", "seconds")),
        "streamed_seconds": spread(times),
        "streamed_time / (resident + one cold read)": round(
            statistics.median(t / b for t, b in zip(times, bounds, strict=True)), 3
        ),
        "streamed_read / weights": round(
            statistics.median(each("streamed", "read_bytes")) / weights, 3
        ),
        "streamed_peak_anonymous_bytes": max(each("streamed", "peak_anonymous_bytes")),
        "allowed_peak_anonymous_bytes": allowance(shape, num_texts),
        "offload_read_a_batch / weights": round(by_batch / weights, 3),
        "offload_batches_measured": OFFLOAD_BATCHES,
        "offload_read_bytes_extrapolated": round(by_batch * num_batches),
        "offload_seconds_extrapolated": round(
            statistics.median(each("offload", "seconds_a_batch")) * num_batches
        ),
    }


def allowance(shape: str, num_texts: int) -> int:
    """Three times the largest single load (a block or the embedding table), plus the states."""
    width, feed = SHAPES[shape]["width"], SHAPES[shape]["feed"]
    block = (4 * width * width + 2 * width * feed) * BYTES
    table = VOCABULARY_SIZE * width * BYTES
    num_tokens = int(token_lengths(num_texts).clip(max=MAX_TOKENS).sum())
    return 3 * max(block, table) + num_tokens * width * BYTES


if __name__ == "__main__":
    main()
