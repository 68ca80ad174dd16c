"""AWS Key Management Service."""

from pilvi.core.operation import service
from pilvi.services.kms import (
    aliases,
    datakeys,
    deletion,
    encrypting,
    grants,
    keys,
    macs,
    policies,
    rotation,
    signing,
    tags,
)
from pilvi.services.kms.deletion import Delete
from pilvi.services.kms.inspectors import INSPECTORS
from pilvi.services.kms.records import RECORDS
from pilvi.services.kms.rotation import Rotate

SERVICE = service(
    "kms",
    [aliases, datakeys, deletion, encrypting, grants, keys, macs, policies, rotation, signing, tags],
    RECORDS,
    deliveries=[Delete(), Rotate()],
    inspectors=INSPECTORS,
)
