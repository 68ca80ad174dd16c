"""Which master key the cloud's data is encrypted under, as far as it can be told without giving it away.

Kept with the data, so that a cloud that is started with another key says so, instead of finding everything unreadable.
"""

import hmac
from typing import TYPE_CHECKING

from pilvi.core import sealing
from pilvi.services.kms.records import MasterProof

if TYPE_CHECKING:
    from pilvi.state.store import Tx

_CURRENT = "current"


def kept(tx: "Tx") -> bytes:
    """What was kept of the key in use; b"" while nothing was."""
    found = tx[MasterProof].get(_CURRENT)
    return b"" if found is None else found.proof


def keep(tx: "Tx", master_key: bytes) -> None:
    """From now on this is the key."""
    tx[MasterProof].put(MasterProof(_CURRENT, _of(master_key)))


def fits(proof: bytes, master_key: bytes) -> bool:
    """Whether what was kept is of this key."""
    return hmac.compare_digest(proof, _of(master_key))


def _of(master_key: bytes) -> bytes:
    return sealing.derive(master_key, "proof")
