"""What an audit needs a ranking for: how far popularity goes, and which targets are known."""

from tcf.data.findings import Finding, percent
from tcf.data.split import Split
from tcf.evaluate.metrics import hr, ndcg
from tcf.evaluate.ranking import rank_targets
from tcf.model.popularity import Popularity

__all__ = ["known_targets", "popularity_score"]


def popularity_score(split: Split) -> Finding:
    """What a list of the most popular items reaches: the least that any arm must beat."""
    ledger = rank_targets(Popularity(split), split.test)
    hits, gain = float(hr(ledger, k=10).mean()), float(ndcg(ledger, k=10).mean())
    chance = min(1.0, 10 / split.num_items)
    return Finding.judged(
        "popularity alone",
        f"HR@10 {hits:.4f}, NDCG@10 {gain:.4f} on the test targets; "
        f"a random order has HR@10 {chance:.4f}",
        warn=hits > 0.1,
        fix="popular items are most of what can be won: read gains over popularity, not over 0",
        figures={"hr@10": hits, "ndcg@10": gain, "hr@10_of_chance": chance},
    )


def known_targets(split: Split) -> Finding:
    """Test targets that are among the user's known items, all of which are masked.

    A protocol that masks the target with them makes these unwinnable. Here a target always stays a
    candidate (`rank_targets`), and the slice ``target_in_history: yes`` tells them apart.
    """
    known, whole = int(split.test.target_in_history.sum()), len(split.test)
    return Finding.judged(
        "targets already known",
        f"{known} of {whole} test targets ({percent(known, whole)}) are among the user's known "
        "items",
        warn=known > 0.01 * whole,
        fix="where known items are masked, target included, these cannot be won; here the target "
        "stays in while other known items are masked, which makes them easier: read the slices "
        "by target_in_history, and compare with no figure of another protocol",
        figures={"share_known": known / max(1, whole)},
    )
