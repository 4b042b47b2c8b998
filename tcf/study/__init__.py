"""Many runs -> one table: configs, records, ledgers, and the runner that skips finished work."""

from tcf._util import lazy_exports

_HOMES = {
    "Arm": "config",
    "DSSMConfig": "config",
    "ProjectorConfig": "config",
    "RunConfig": "config",
    "SASRecConfig": "config",
    "Study": "config",
    "TunedConfig": "config",
    "fingerprint": "config",
    "grid": "config",
    "read_ledger": "records",
    "read_records": "records",
    "read_table": "records",
    "run_study": "runner",
}
__all__ = [
    "Arm",
    "DSSMConfig",
    "ProjectorConfig",
    "RunConfig",
    "SASRecConfig",
    "Study",
    "TunedConfig",
    "fingerprint",
    "grid",
    "read_ledger",
    "read_records",
    "read_table",
    "run_study",
]
__getattr__ = lazy_exports(__name__, _HOMES)
