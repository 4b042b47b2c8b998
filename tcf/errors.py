"""The errors that `tcf` raises.

::

    TcfError
    ├── DataError      a file or a data set is not what it must be        (also a ValueError)
    ├── CacheError     a store does not match its key, or is damaged
    └── EncoderError   an encoder cannot be loaded or cannot do what was asked

Wrong arguments are plain ``ValueError``. Every message says what must hold, what was found, where,
and what to do.
"""

__all__ = ["CacheError", "DataError", "EncoderError", "TcfError"]


class TcfError(Exception):
    """Base of every error that `tcf` raises on purpose."""


class DataError(TcfError, ValueError):
    """A file or a data set is not what it must be."""


class CacheError(TcfError):
    """A store on disk does not match its key, or is damaged."""


class EncoderError(TcfError):
    """An encoder cannot be loaded, or cannot do what was asked of it."""
