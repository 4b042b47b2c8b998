"""A long computation's checkpoint: one file that says what it belongs to and where it stands."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcf._util import differing
from tcf.errors import CacheError

__all__ = ["Checkpoint"]

SHARE = 20  # writing takes at most one part in so many of the time


class Checkpoint:
    """A file in the safetensors format whose header holds the rest as JSON.

    It is replaced in one step, so that a kill at any moment leaves the old one or the new one. One
    process writes it.

    Args:
        path: The file.
        every_seconds: At least so long between two. A large model whose file takes long to write
            gets fewer: writing takes at most a twentieth of the time. 0: as often as can be.
        identity: What the training is; a file of another one is refused.
    """

    def __init__(self, path: Path, *, every_seconds: float, identity: Mapping[str, Any]):
        if every_seconds < 0:
            raise ValueError(f"checkpoint_every_seconds must not be negative; got {every_seconds}")
        self.path, self._every = Path(path), every_seconds
        self._identity = json.loads(json.dumps(identity))
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._last >= self._every

    def write(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the file.

        Args:
            state: What JSON holds.
            tensors: On any device.
        """
        began = time.monotonic()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # one name, so that kills do not pile up what they leave
        partial = self.path.with_name(f".{self.path.name}.partial")
        facts = {"identity": self._identity, "state": state}
        whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        save_file(whole, partial, {"tcf": json.dumps(facts, allow_nan=False)})
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, self.path)
        self._last = time.monotonic()
        if self._every:
            self._every = max(self._every, SHARE * (self._last - began))

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return what the file holds, or None where there is none.

        Raises:
            CacheError: If it belongs to another training, or is damaged.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                facts = json.loads(file.metadata()["tcf"])
                self._check(facts["identity"])
                return facts["state"], {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise CacheError(
                f"{self.path}: a checkpoint must be whole; this one is damaged ({error}): "
                "remove it to train from the start"
            ) from error

    def _check(self, found: Mapping[str, Any]) -> None:
        if shown := differing(self._identity, found):
            raise CacheError(
                f"{self.path}: a checkpoint goes on with the training it was made by; this one "
                f"differs in {shown}: take another path, or remove it to train from the start"
            )
