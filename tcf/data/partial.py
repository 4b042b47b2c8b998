"""A file that is on its way: its bytes so far, their digests, and whose they are."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tcf._util import write_json


class Digests:
    """SHA-256 of bytes as they come, and MD5 where that is what was published."""

    def __init__(self, checksum: str | None) -> None:
        self._made: dict[str, Any] = {"sha256": hashlib.sha256()}
        self._kind, _, self._expected = (checksum or "").partition(":")
        if self._kind == "md5":
            self._made["md5"] = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """Take some more bytes."""
        for made in self._made.values():
            made.update(data)

    def add(self, path: Path) -> None:
        """Take the bytes of a file."""
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                self.update(chunk)

    @property
    def sha256(self) -> str:
        """The SHA-256, 64 hex digits."""
        return self._made["sha256"].hexdigest()

    def wrong(self) -> str | None:
        """Say what was expected and what came, where a checksum is known and differs."""
        found = self._made[self._kind].hexdigest() if self._kind else ""
        if found == self._expected:
            return None
        return f"its {self._kind} must be {self._expected}; got {found}"


@dataclass(frozen=True)
class Partial:
    """What is there of a file, and in a file beside it, of which answer it is a part."""

    path: Path

    @property
    def _about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def about(self) -> dict[str, Any]:
        """Return the address, validator and total of the answer; nothing if that is lost."""
        try:
            found = json.loads(self._about.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def begin(
        self, address: str, validator: str | None, total: int | None, *, appending: bool
    ) -> None:
        """Say of which answer the bytes are, before they come."""
        if appending and validator is None and self.about().get("address") == address:
            validator = self.about().get("validator")
        write_json(self._about, {"address": address, "validator": validator, "total": total})

    def discard(self) -> None:
        """Forget it."""
        self.path.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def become(self, path: Path) -> None:
        """Give the whole file its name; whoever looks there sees all of it or nothing."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, path)
        self._about.unlink(missing_ok=True)
