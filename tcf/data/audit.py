"""What the files of a data set show before any model is trained. Loads no torch.

What needs a model is elsewhere: `tcf.evaluate.audit` ranks by popularity, and
`tcf.encode.memorization` asks a language model whether it knows the titles by heart.
"""

from collections.abc import Callable

import numpy as np

from tcf.data.audit_interactions import interaction_findings, short_histories, true_times
from tcf.data.audit_texts import similar_texts, text_findings
from tcf.data.catalog import Catalog, Interactions
from tcf.data.findings import Finding, percent
from tcf.data.split import Split

__all__ = ["audit_files", "audit_split", "cold_targets", "later_training", "split_findings"]


def audit_files(
    catalog: Catalog,
    interactions: Interactions,
    *,
    min_interactions: int,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> list[Finding]:
    """Return what items and interactions show as they were read, before any filter.

    Args:
        catalog: Items.
        interactions: Users, oldest interaction first.
        min_interactions: Users with fewer are short of data.
        seed: Of the search for near-duplicate texts.
        advance: Hears how many texts that search has read.

    Raises:
        ValueError: If ``min_interactions`` is below 1.
    """
    return [
        short_histories(interactions, min_interactions=min_interactions),
        *interaction_findings(catalog, interactions),
        *text_findings(catalog.texts),
        similar_texts(catalog.texts, seed=seed, advance=advance),
    ]


def audit_split(split: Split) -> list[Finding]:
    """Return what a split and its training part show, in about a second for 50,000 users.

    That is every check but those of what was filtered away, and for near-duplicate texts.
    """
    return [
        *split_findings(split),
        *interaction_findings(split.catalog, split.train),
        *text_findings(split.catalog.texts),
    ]


def split_findings(split: Split) -> list[Finding]:
    """Return what the cut shows: training after the targets, and targets without training."""
    return [later_training(split), cold_targets(split)]


def later_training(split: Split) -> Finding:
    """A model that trains on what happened after a target has seen the future.

    The figures are shares of training interactions: those later than the median target, later than
    the first target, and the mean over targets of those later than each.

    Source: Ji, Sun, Zhang & Li, A Critical Study on Data Leakage in Recommender System Offline
    Evaluation, TOIS 41 (2023).
    """
    times, targets = true_times(split.train), split.test.times
    if times is None or targets is None or not len(targets):
        who = "data says" if times is None else "split says of its targets"
        found = f"not made: the {who} in which order, not when; it cannot be told"
        return Finding("training after the cut", "ok", found)
    ordered = np.sort(times)
    later = 1 - np.searchsorted(ordered, targets, side="right") / len(ordered)
    median, first = np.quantile(later, 0.5, method="inverted_cdf"), later.max()
    return Finding.judged(
        "training after the cut",
        f"{percent(median, 1)} of training interactions happened after the median test target, "
        f"{percent(first, 1)} after the first",
        warn=bool(median > 0.01),
        fix="models learn from what was not known at the time: report it with the protocol, or "
        "split at one time for all users",
        figures={
            "share_after_median": float(median),
            "share_after_first": float(first),
            "share_after_mean": float(later.mean()),
        },
    )


def cold_targets(split: Split) -> Finding:
    """A test target that is in no training interaction can be found by its text alone."""
    counts = split.train.item_counts(split.num_items)[split.test.targets]
    cold, rare, whole = int((counts < 1).sum()), int((counts < 5).sum()), len(counts)
    return Finding.judged(
        "cold targets",
        f"{cold} of {whole} test targets ({percent(cold, whole)}) have no training interaction, "
        f"{percent(rare, whole)} fewer than 5",
        warn=cold > 0.01 * whole,
        fix="an ID arm can only guess them, so that text wins by them alone: compare in the slices "
        "by target_train_count",
        figures={"share_cold": cold / max(1, whole), "share_below_5": rare / max(1, whole)},
    )
