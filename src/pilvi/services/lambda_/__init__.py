"""AWS Lambda: functions, and running them."""

from pilvi.core.operation import service
from pilvi.services.lambda_ import (
    account,
    eventconfig,
    functions,
    invoke,
    permissions,
    published,
    tags,
    updates,
)
from pilvi.services.lambda_.delivery import AsyncInvocations
from pilvi.services.lambda_.inspectors import INSPECTORS
from pilvi.services.lambda_.records import RECORDS

SERVICE = service(
    "lambda",
    [account, eventconfig, functions, invoke, permissions, published, tags, updates],
    RECORDS,
    deliveries=[AsyncInvocations()],
    inspectors=INSPECTORS,
)
