"""How far vectors go from float32's in each precision: prints a table, writes drift.json.

Run:  python -m experiments.precision.drift --data FOLDER   (needs the extra `minilm`)
Cost: seconds where the study ran with the same cache; else that of encoding each catalogue.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from experiments.here import DATASETS, MINILM, SEED, load, minilm
from experiments.precision.study import PRECISIONS, arms
from tcf._util import write_json
from tcf.cli.options import CacheOption
from tcf.encode import encode_catalog
from tcf.encode.doctor_vectors import compare, cosines

HERE = Path(__file__).parent
QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9)
MOST_TEXTS = 2_000
"""Texts among which nearest neighbours are compared; of more, so many are drawn."""


def main(
    data: Annotated[Path, typer.Option(help="The folder of the data sets.")],
    dataset: Annotated[list[str] | None, typer.Option(help="Repeatable; default all.")] = None,
    cache: CacheOption = "auto",
    out: Annotated[Path, typer.Option(help="The file to write.")] = HERE / "drift.json",
) -> None:
    """Encode each catalogue in each precision, or find its vectors, and compare with float32."""
    found = {name: _drifts(name, data, cache) for name in dataset or DATASETS}
    for name, drifts in found.items():
        for precision, drift in drifts.items():
            print(
                f"{name}: {precision}: cosine {drift['quantiles']['0.5']:.5f} in the middle, "
                f"{drift['quantiles']['0.0']:.5f} at worst, "
                f"{drift['neighbours_kept']:.1%} of the nearest ten stay"
            )
    write_json(out, {"encoder": MINILM, "against": "float32", "datasets": found})


def _drifts(dataset: str, data: Path, cache: str) -> dict[str, Any]:
    catalog, _ = load(dataset, data)
    float32, *others = (
        encode_catalog(catalog, encoder=minilm(), cache=cache, **arm.encoding()).vectors
        for arm in arms()
    )
    return {
        name: drift(float32, vectors, seed=SEED)
        for name, vectors in zip(list(PRECISIONS)[1:], others, strict=True)
    }


def drift(reference: np.ndarray, vectors: np.ndarray, *, seed: int) -> dict[str, Any]:
    """Return quantiles of the cosine of a text with itself, and how many nearest texts stay.

    Args:
        reference, vectors: ``(n, E)`` of the same texts.
        seed: Draws the texts among which neighbours are compared.
    """
    values = np.quantile(cosines(reference, vectors), QUANTILES)
    quantiles = {str(q): round(float(value), 6) for q, value in zip(QUANTILES, values, strict=True)}
    rng = np.random.default_rng(seed)
    some = rng.choice(len(vectors), min(len(vectors), MOST_TEXTS), replace=False)
    near = compare(reference[some], vectors[some])
    kept = {name: near[name] for name in ("num_texts", "neighbours", "neighbours_kept")}
    return {"num_items": len(vectors), "quantiles": quantiles, **kept}


if __name__ == "__main__":
    typer.run(main)
