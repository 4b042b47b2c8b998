"""What the ladder shows: prints fits, claims and ranks in words, writes results.json.

Run: python -m experiments.q1_scaling.analyse   (a minute; reads the records alone)

Each family's curve over its sizes with its verdict; what the study invites to claim, and which
control explains it; and whether the better language model is the better item encoder.
"""

import sys
from dataclasses import asdict
from pathlib import Path

from tcf._util import write_json
from tcf.study.cells import read_cells
from tcf.study.claims import claims
from tcf.study.ladders import loss_ranks, read_ladder
from tcf.study.series import fit_series

HERE = Path(__file__).parent
METRIC, SIZE = "ndcg@10", "parameters_without_embeddings"


def main(
    records: Path = HERE / "records",
    out: Path = HERE / "results.json",
    ladder: Path = HERE / "ladder.json",
) -> None:
    """Read the records, say what they show."""
    cells = read_cells(records)
    fits = [
        {
            "dataset": one.dataset,
            "backbone": one.backbone,
            "series": one.series,
            "verdict": one.fit.verdict if one.fit else one.refused,
        }
        for one in fit_series(cells, metrics=[METRIC], against="ID", seed=0)
        if one.axis == SIZE
    ]
    found = claims(cells, metric=METRIC)
    ranks = loss_ranks(cells, read_ladder(ladder), metrics=[METRIC], seed=0)
    for fit in fits:
        print(f"{fit['dataset']}, {fit['backbone']}, {fit['series']}: {fit['verdict']}")
    for claim in found:
        print(f"{claim.dataset}, {claim.backbone}: {claim.verdict}")
    for rank in ranks:
        ends = rank.correlation
        said = f"{ends.mean:.2f} [{ends.low:.2f}, {ends.high:.2f}]" if ends else rank.refused
        print(f"{rank.dataset}, {rank.backbone}, {rank.series}: rank correlation with loss {said}")
    write_json(
        out,
        {
            "metric": METRIC,
            "fits": fits,
            "claims": [{**asdict(claim), "verdict": claim.verdict} for claim in found],
            "ranks": [asdict(rank) for rank in ranks],
        },
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
