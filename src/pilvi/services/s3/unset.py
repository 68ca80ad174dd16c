"""Features of buckets that cannot be switched on here (setting them answers 501), and say truthfully that they are off."""

from pilvi.core.context import Context
from pilvi.core.errors import NotBuilt
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import MalformedXML
from pilvi.services.s3.types import (
    GetBucketAccelerateConfigurationOutput,
    GetBucketAccelerateConfigurationRequest,
    GetBucketRequestPaymentOutput,
    GetBucketRequestPaymentRequest,
    PutBucketRequestPaymentRequest,
)


@operation("GetBucketAccelerateConfiguration", reads=True, check=on_bucket("s3:GetAccelerateConfiguration"))
def get_bucket_accelerate_configuration(
    ctx: Context, req: GetBucketAccelerateConfigurationRequest
) -> GetBucketAccelerateConfigurationOutput:
    find_bucket(ctx, req)
    return {}


@operation("GetBucketRequestPayment", reads=True, check=on_bucket("s3:GetBucketRequestPayment"))
def get_bucket_request_payment(ctx: Context, req: GetBucketRequestPaymentRequest) -> GetBucketRequestPaymentOutput:
    find_bucket(ctx, req)
    return {"Payer": "BucketOwner"}


@operation("PutBucketRequestPayment", check=on_bucket("s3:PutBucketRequestPayment"))
def put_bucket_request_payment(ctx: Context, req: PutBucketRequestPaymentRequest) -> None:
    """Accepts what is so: the bucket's owner pays."""
    find_bucket(ctx, req)
    payer = req["RequestPaymentConfiguration"]["Payer"]
    if payer == "Requester":
        raise NotBuilt("Buckets whose requesters pay are not built.")
    if payer != "BucketOwner":
        raise MalformedXML
