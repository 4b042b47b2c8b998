"""How far can text carry a recommender as language models grow?

`tcf.encode_items` turns texts into vectors; the rooms (`tcf.data`, `tcf.encode`, `tcf.model`,
`tcf.evaluate`, `tcf.study`, ...) do the rest. Importing `tcf` loads neither torch nor any room.
"""

from typing import TYPE_CHECKING, Any

from tcf._util import lazy_exports

if TYPE_CHECKING:
    from tcf.encode.items import encode_items

    __version__: str

_HOMES = {"encode_items": "encode.items"}
_lazy = lazy_exports(__name__, _HOMES)

__all__ = ["__version__", "encode_items"]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # looked up on use: importlib.metadata costs time at import
        from importlib.metadata import version

        return version("tcf")
    return _lazy(name)
