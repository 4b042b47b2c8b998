"""Item vectors from semantic IDs: codes of a frozen text vector, each with a learned one."""

import numpy as np
import torch
from torch import Tensor, nn

from tcf.data.catalog import Catalog
from tcf.encode.codes import num_sharing, residual_codes
from tcf.encode.embeddings import Embeddings
from tcf.model.layers import embedding
from tcf.model.towers import Tower

__all__ = ["SemanticIdTower"]


class SemanticIdTower(Tower):
    """The sum of learned vectors of the codes that an item's text vector is quantised to.

    Items of like text share codes, and so what is learned of them; an item that was never taken has
    codes that others have trained. The codes are made once (`residual_codes`), kept with the
    weights, and are all that is left of the text.

    Args:
        embeddings: Vectors with their item ids.
        catalog: Items; the vectors are joined to its rows by item id.
        dim: Width D of the item vectors.
        fit_on: ``(n,)`` item rows, from 1 on, that codes are fitted on: those of the training part.
        num_levels: Codes of an item L.
        num_codes: Different codes of a level.
        prefixes: Sum a vector for each prefix of the codes (the first, the first two, ...) that
            some item has, instead of one for each code of each level.
        seed: Of the quantisation.

    Attributes:
        tokens: ``(num_items + 1, L)`` rows of the table; 0 is the padding row's, and no item's.
        num_sharing: Items that have all their codes in common with another: their vectors are one.

    Raises:
        DataError: If an item of the catalogue has no vector, or the other way round.
        ValueError: As `residual_codes`.

    Source: Singh et al., arXiv 2306.08121, whose quantiser is an RQ-VAE with 8 levels of 2,048
    codes, here residual k-means; who combine codes by n-grams of one length or by SentencePiece,
    here one code a token or every prefix; and who hash n-grams into a table, here each has a row.
    """

    has_item_weights = True  # codes are those of one catalogue
    tokens: Tensor

    def __init__(
        self,
        embeddings: Embeddings,
        catalog: Catalog,
        *,
        dim: int,
        fit_on: np.ndarray,
        num_levels: int = 4,
        num_codes: int = 256,
        prefixes: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        self.num_items, self.dim = catalog.num_items, dim
        codes = residual_codes(
            embeddings.aligned(catalog)[1:],
            num_levels=num_levels,
            num_codes=num_codes,
            fit_on=fit_on - 1,
            seed=seed,
        )
        self.num_sharing = num_sharing(codes)
        self._about = {
            "vectors": embeddings.key[:12],
            "num_codes": num_codes,
            "prefixes": prefixes,
            "seed": seed,
        }
        tokens = _of_prefixes(codes) if prefixes else 1 + codes + num_codes * np.arange(num_levels)
        padded = np.concatenate((np.zeros_like(tokens[:1]), tokens))
        self.register_buffer("tokens", torch.from_numpy(padded))
        num_tokens = int(tokens.max()) if prefixes else num_codes * num_levels
        self.table = embedding(num_tokens + 1, dim)

    def forward(self, rows: Tensor) -> Tensor:
        """Map ``(n,)`` rows to ``(n, D)`` vectors."""
        return self.table(self.tokens[rows]).sum(1)

    def all(self) -> Tensor:
        """Return the ``(num_items + 1, D)`` vectors of every row."""
        return self.table(self.tokens).sum(1)

    def new_modules(self) -> list[nn.Module]:
        """Return the parts that start from scratch."""
        return [self.table]

    def extra_repr(self) -> str:
        """Return where the codes come from."""
        return ", ".join(f"{name}={value}" for name, value in self._about.items())


def _of_prefixes(codes: np.ndarray) -> np.ndarray:
    """Return ``(N, L)`` numbers of the different prefixes, from 1 on, the shortest first."""
    tokens, start = np.zeros_like(codes), 1
    for level in range(codes.shape[1]):
        found, place = np.unique(codes[:, : level + 1], axis=0, return_inverse=True)
        tokens[:, level] = start + place.reshape(-1)
        start += len(found)
    return tokens
