"""`tcf data audit`: what the files of a data set show before any model is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tcf.cli.shared import one_line_errors, print_rows

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog, Interactions
    from tcf.data.findings import Finding
    from tcf.data.split import Split

__all__ = ["audit"]

SCHEMA = 1
LAST = 23  # interactions of a user, as in the studies
_SEED = 0  # of the search for near duplicates and of the probe: one audit says one thing


def audit(
    folder: Annotated[Path, typer.Argument(help="Folder of a data set.")],
    reader: Annotated[str | None, typer.Option(help="Default what the files ask for.")] = None,
    text: Annotated[str | None, typer.Option(help="Template of an item's text.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="A causal encoder: does it know the titles by heart?")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Also write everything to this JSON.")] = None,
    min_interactions: Annotated[
        int, typer.Option(min=3, help="Users with fewer are left out of the split.")
    ] = 5,
) -> None:
    """Say what a data set shows before a run; exits with 1 if there is a problem.

    What is read is checked as it is; then users below the minimum go, the last 23 interactions of
    the others stay, and the leave-one-out split of the studies is checked.
    """
    with one_line_errors():
        from tcf._util import write_json
        from tcf.data.filter import filter_interactions
        from tcf.data.findings import as_json, verdicts
        from tcf.data.formats import read_folder
        from tcf.data.split import leave_one_out

        options = {} if text is None else {"text": text}
        catalog, taken = read_folder(folder, reader=reader, **options)
        items, kept, report = filter_interactions(
            catalog, taken, min_interactions=min_interactions, last=LAST
        )
        split = leave_one_out(items, kept)
        findings = _findings(catalog, taken, split, encoder=encoder, least=min_interactions)
        if json is not None:
            told = {"reader": reader, "text": text, "encoder": encoder}
            cut = {"min_interactions": min_interactions, "last": LAST, "seed": _SEED}
            made = {
                "schema": SCHEMA,
                "settings": {**told, **cut},
                "data": {"checksum": split.checksum, **report.as_dict()},
                "verdicts": verdicts(findings),
                "findings": as_json(findings),
            }
            write_json(json, made)
    print_rows(
        ("check", "verdict", "found", "what it means and what to do"),
        ((f.check, f.verdict, f.found, f.fix) for f in findings),
        title=f"{folder}: {report}",
    )
    if any(finding.verdict == "problem" for finding in findings):
        raise typer.Exit(1)


def _findings(
    catalog: "Catalog", taken: "Interactions", split: "Split", *, encoder: str | None, least: int
) -> list["Finding"]:
    """Return all findings, the probe's first to be made: it may refuse the encoder."""
    from tcf.data.audit import audit_files, split_findings
    from tcf.encode.progress import LazyBar
    from tcf.evaluate.audit import known_targets, popularity_score

    probed = []
    if encoder is not None:
        from tcf.encode.memorization import check_memorization

        probed = [check_memorization(encoder, catalog.texts, seed=_SEED)]
    with LazyBar(catalog.num_items, "Comparing texts") as bar:
        files = audit_files(catalog, taken, min_interactions=least, seed=_SEED, advance=bar.advance)
    return [
        *files,
        *split_findings(split),
        known_targets(split),
        popularity_score(split),
        *probed,
    ]
