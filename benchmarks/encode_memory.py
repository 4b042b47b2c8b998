"""Memory and time of encoding a million short texts, each call in a process of its own.

    python -m benchmarks.encode_memory [--texts 1000000]

A cheap model of width 384 (one block) reads generated titles. Arms: a first call that fills a store
and writes ``out``; the same call again, which finds everything; a call with neither, whose matrix
is in memory. Memory is anonymous (RssAnon), above what the process held just before the call: the
loaded model and the texts. Figures go to results/encode_memory.json.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.probe import PeakAnonymous, run_arm
from benchmarks.report import write_result
from benchmarks.texts import MAX_TOKENS, make_model, titles

__all__ = ["measure"]

CACHE = Path(__file__).parents[1] / "cache" / "benchmarks"
WIDTH = 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--arm", choices=("first", "again", "plain"))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.arm:
        print(json.dumps(arm(arguments.arm, arguments.folder)))
    else:
        write_result("encode_memory", measure(CACHE, num_texts=arguments.texts))


def measure(cache: Path, *, num_texts: int = 1_000_000) -> dict[str, Any]:
    """Seconds, and megabytes of anonymous memory above model and texts, of each arm."""
    folder = cache / "million"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        make_model(folder / "model", "opt-384")
        (folder / "texts.txt").write_text("\n".join(titles(num_texts)), encoding="utf-8")
        arms = {
            name: run_arm("benchmarks.encode_memory", name, folder=folder)
            for name in ("first", "again", "plain")
        }
    finally:
        shutil.rmtree(folder)
    arms["plain"]["matrix_megabytes"] = round(num_texts * WIDTH * 4 / 1e6)
    return {"texts": num_texts, "width": WIDTH, **arms}


def arm(name: str, folder: Path) -> dict[str, Any]:
    """One call in this process. Like a user's script it starts from the folder and the texts."""
    began = time.perf_counter()
    import torch

    from tcf import encode_items

    torch.set_num_threads(os.cpu_count() or 1)
    texts = (folder / "texts.txt").read_text(encoding="utf-8").splitlines()
    encoder = folder / "model" if name == "again" else loaded(folder / "model")
    places = {} if name == "plain" else {"cache": folder / "store", "out": folder / f"{name}.npy"}
    ready = time.perf_counter()
    with PeakAnonymous() as memory:
        vectors = encode_items(texts, encoder=encoder, progress=False, **places)
    ended = time.perf_counter()
    return {
        "call_seconds": round(ended - ready, 2),
        "process_seconds": round(ended - began, 2),
        "megabytes_before": round(memory.start_bytes / 1e6),
        "megabytes_above": round(memory.above_start_bytes / 1e6),
        "shape": list(vectors.shape),
    }


def loaded(folder: Path) -> Any:
    from tcf.encode.backends import HfBackend
    from tcf.encode.backends.hf import Transformer
    from tcf.encode.backends.processor import pick_dtype
    from tcf.encode.backends.protocol import Reading

    dtype = pick_dtype("auto", "cpu")
    model = Transformer(folder, max_tokens=MAX_TOKENS, device="cpu", dtype=dtype)
    backend = HfBackend(model, Reading())
    for _ in backend.encode(["warm"], range(1)):  # what the first forward pass allocates stays
        pass
    return backend


if __name__ == "__main__":
    main()
