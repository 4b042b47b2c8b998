"""The best k candidates of each task, found in the blocks of scores that ranks are counted in."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["TopK"]

_WIDTH = 64  # items whose maximum stands for all of them, at most


class TopK:
    """Reads blocks of scores one after another, without writing into them, and keeps the best.

    Equal scores are ordered by row, the lower first.

    Args:
        num_tasks: Tasks in all.
        k: Candidates kept of each.

    Attributes:
        rows: ``(num_tasks, k)`` int32 item rows, best first; 0 where a task has fewer candidates.

    Raises:
        ValueError: If ``k`` is below 1.
    """

    def __init__(self, num_tasks: int, *, k: int):
        if k < 1:
            raise ValueError(f"k must be at least 1; got {k}")
        self.k = k
        self.rows = np.zeros((num_tasks, k), np.int32)

    def read(self, scores: Tensor, start: int, *, owners: np.ndarray, known: np.ndarray) -> None:
        """Find the best of the tasks from ``start`` on.

        A task with c known items wants its ``k + c`` best, known or not: k of these are left when
        the known ones are taken out.

        Args:
            scores: ``(tasks, num_items)``, rows 1 to the last.
            start: The block's first task.
            owners: Which task of the block each known item belongs to, in order.
            known: Columns of the known items, in order within a task, none twice.
        """
        wanted = self.k + np.bincount(owners, minlength=len(scores))
        tasks, columns, values = _at_least(scores, wanted)
        num_items = scores.shape[1]
        new = ~np.isin(tasks * num_items + columns, owners * num_items + known, assume_unique=True)
        tasks, columns, values = tasks[new], columns[new], values[new]
        order = np.lexsort((columns, -values, tasks))
        tasks = tasks[order]
        place = _place(tasks, len(scores))
        first = place < self.k
        self.rows[start + tasks[first], place[first]] = columns[order][first] + 1


def _at_least(scores: Tensor, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return task, column and score of each task's ``wanted`` best and few more, by column.

    The items are cut into groups. As many groups as are wanted have a maximum no lower than the
    wanted-th of these maxima, so no item below it is among the wanted best. Of those equal to it
    the first ``wanted`` columns are enough, however many there are.
    """
    num_items, most = scores.shape[1], int(wanted.max())
    width = max(1, min(_WIDTH, num_items // (4 * most)))
    groups = num_items // width
    maxima = scores[:, : width * groups].unflatten(1, (width, groups)).amax(1)
    best = maxima.topk(min(most, groups)).values
    nth = torch.from_numpy(np.minimum(wanted, groups) - 1).to(scores.device)
    bound = best.gather(1, nth[:, None])
    bound[torch.from_numpy(wanted > groups).to(scores.device)] = -torch.inf
    if scores.device.type == "cpu":  # NumPy compares several times faster (docs/decisions/0004)
        keys = np.flatnonzero(scores.numpy() >= bound.numpy())
        tasks, columns = np.divmod(keys, num_items)
    else:
        tasks, columns = (scores >= bound).nonzero().cpu().numpy().T
    index = (torch.from_numpy(part).to(scores.device) for part in (tasks, columns))
    values = scores[tuple(index)].cpu().numpy()
    equal = values == bound.cpu().numpy()[tasks, 0]
    so_far = np.concatenate(([0], np.cumsum(equal)))  # equal ones before each, over all tasks
    before = so_far[:-1] - so_far[np.searchsorted(tasks, tasks)]
    kept = ~equal | (before < wanted[tasks])
    return tasks[kept], columns[kept], values[kept]


def _place(tasks: np.ndarray, num_tasks: int) -> np.ndarray:
    """Return the place of each element among those of its task, from 0; tasks are in order."""
    counts = np.bincount(tasks, minlength=num_tasks)
    return np.arange(len(tasks)) - np.repeat(np.cumsum(counts) - counts, counts)
