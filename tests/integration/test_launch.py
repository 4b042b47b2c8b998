"""Two processes of `accelerate launch` on the CPU split one catalogue."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import tcf
from tcf.encode import Embeddings
from tcf.encode.stores import list_stores


def test_two_processes_encode_each_text_once(opt_folder: Path, tmp_path: Path) -> None:
    titles = [f"a {color} dress {n}" for n in range(150) for color in ("red", "blue")]
    rows = "".join(f"i{n}\t{title}\n" for n, title in enumerate(titles))
    (tmp_path / "items.tsv").write_text(f"item_id\ttitle\n{rows}")
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"),  # one per GPU, or CPU
        *("--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"),
        *("--mixed_precision", "no", "--dynamo_backend", "no"),
        *("-m", "tcf", "encode", "items.tsv", "--encoder", str(opt_folder), "--dtype", "float32"),
        *("--out", "vectors.safetensors", "--cache", "cache"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("300 vectors of width 32") == 1  # the first process alone says it
    (store,) = list_stores(tmp_path / "cache")
    assert store.num_vectors == len(set(titles))
    shards = [p.name for p in (tmp_path / "cache/embeddings" / store.key).glob("*.rows.npy")]
    assert {re.match(r"\dof2", name).group() for name in shards} == {"0of2", "1of2"}  # type: ignore[union-attr]
    found = Embeddings.load(tmp_path / "vectors.safetensors").vectors
    alone = tcf.encode_items(titles, encoder=opt_folder, dtype="float32")
    np.testing.assert_allclose(found, alone, atol=1e-5 * np.abs(alone).max())
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cache",
        "items.tsv",
        "vectors.safetensors",
    ]
