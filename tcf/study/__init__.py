"""Many runs -> one table: configs, records, ledgers, and the runner that skips finished work."""

from tcf._util import lazy_exports

_HOMES = {
    "Arm": "config",
    "BERT4RecConfig": "config",
    "DSSMConfig": "config",
    "GRU4RecConfig": "config",
    "MeanHistoryConfig": "config",
    "NextItNetConfig": "config",
    "ProjectorConfig": "config",
    "RunConfig": "config",
    "SASRecConfig": "config",
    "Study": "config",
    "fingerprint": "config",
    "grid": "config",
    "read_ledger": "records",
    "read_records": "records",
    "read_table": "records",
    "run_study": "runner",
}
__all__ = [
    "Arm",
    "BERT4RecConfig",
    "DSSMConfig",
    "GRU4RecConfig",
    "MeanHistoryConfig",
    "NextItNetConfig",
    "ProjectorConfig",
    "RunConfig",
    "SASRecConfig",
    "Study",
    "fingerprint",
    "grid",
    "read_ledger",
    "read_records",
    "read_table",
    "run_study",
]
__getattr__ = lazy_exports(__name__, _HOMES)
