"""Is the master key that is here the one that a data folder is encrypted under?"""

import sqlite3
from pathlib import Path

from pilvi.config import MASTER_KEY_FILE, Exit, StartError
from pilvi.services.kms import proof
from pilvi.services.kms.records import MasterProof
from pilvi.state.errors import UnusableData
from pilvi.state.layout import Layout
from pilvi.state.still import FILE, look


def remembered(data: Path) -> bytes:
    """What the folder remembers of its key; b"" where it remembers none, or cannot be asked: its reader tells why.

    Raises:
        FolderInUse, NewerData.
    """
    if not (data / FILE).is_file():
        return b""
    try:
        with look(data, {MasterProof: Layout(MasterProof)}) as folder, folder.snapshot() as tx:
            return proof.kept(tx)
    except (UnusableData, sqlite3.DatabaseError):
        return b""


def refuse_another(data: Path, known: bytes, key: bytes, advice: str) -> None:
    """Raises StartError if the key is none of this folder's. No key (b"") is not another one."""
    if known and key and not proof.fits(known, key):
        message = (
            f"the master key that is here is not the one of {data} ({MASTER_KEY_FILE} or PILVI_MASTER_KEY): {advice}"
        )
        raise StartError(message, Exit.MASTER_KEY)
