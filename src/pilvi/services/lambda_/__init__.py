"""AWS Lambda: functions, and running them."""

from pilvi.core.operation import service
from pilvi.services.lambda_ import functions, invoke
from pilvi.services.lambda_.delivery import AsyncInvocations
from pilvi.services.lambda_.records import RECORDS

SERVICE = service("lambda", [functions, invoke], RECORDS, deliveries=[AsyncInvocations()])
