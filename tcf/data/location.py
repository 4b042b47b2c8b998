"""Where the cache lives."""

import os
import tomllib
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder(cache: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder that ``cache`` means, or None for "keep nothing".

    ``"auto"`` is ``$TCF_CACHE``, else ``cache/`` of the `tcf` checkout that holds the working
    directory, else ``tcf`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``).
    """
    if cache is None:
        return None
    if str(cache) != "auto":
        return Path(cache).expanduser()
    if chosen := os.environ.get("TCF_CACHE"):
        return Path(chosen).expanduser()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if _is_checkout(folder):
            return folder / "cache"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tcf"


def _is_checkout(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return project.get("project", {}).get("name") == "tcf"
