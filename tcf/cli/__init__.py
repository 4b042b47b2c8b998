"""The command line. Loads nothing heavy before it must."""

from tcf._util import lazy_exports

_HOMES = {"app": "main", "load_studies": "shared", "load_study": "shared"}
__all__ = ["app", "load_studies", "load_study"]
__getattr__ = lazy_exports(__name__, _HOMES)
