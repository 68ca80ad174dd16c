"""Features of buckets that cannot be switched on here (setting them answers 501), and say truthfully that they are off."""

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import S3Error
from pilvi.services.s3.types import (
    GetBucketAccelerateConfigurationOutput,
    GetBucketAccelerateConfigurationRequest,
    GetBucketRequestPaymentOutput,
    GetBucketRequestPaymentRequest,
    GetBucketWebsiteOutput,
    GetBucketWebsiteRequest,
)


class NoSuchWebsiteConfiguration(S3Error):
    code = "NoSuchWebsiteConfiguration"
    status = 404
    text = "The specified bucket does not have a website configuration"


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


@operation("GetBucketWebsite", reads=True, check=on_bucket("s3:GetBucketWebsite"))
def get_bucket_website(ctx: Context, req: GetBucketWebsiteRequest) -> GetBucketWebsiteOutput:
    raise NoSuchWebsiteConfiguration(fields={"BucketName": find_bucket(ctx, req).name})
