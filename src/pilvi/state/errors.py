"""What can be wrong with a data folder, and with the way a transaction is used."""


class NewerData(Exception):
    """The data folder was written by a newer pilvi. Nothing in it was touched."""


class FolderInUse(Exception):
    """Another process has this data folder open."""


class UnusableData(Exception):
    """The data folder cannot be read as one of pilvi's: damaged, or made by something else."""


class TransactionOver(RuntimeError):
    """A transaction, or a table or scan of it, was used after its end."""


class ReadOnly(RuntimeError):
    """A change was asked of a snapshot."""


class Conflict(Exception):
    """Another transaction was faster: undo this attempt and try again."""


class BlobDamaged(Exception):
    """The bytes of a blob are not those that were stored."""
