"""Features of buckets that cannot be switched on here (setting them answers 501), and say truthfully that they are off."""

from pilvi.core.context import Context
from pilvi.core.operation import operation
from pilvi.services.s3.access import find_bucket, on_bucket
from pilvi.services.s3.errors import S3Error
from pilvi.services.s3.types import (
    GetBucketAccelerateConfigurationOutput,
    GetBucketAccelerateConfigurationRequest,
    GetBucketCorsOutput,
    GetBucketCorsRequest,
    GetBucketEncryptionOutput,
    GetBucketEncryptionRequest,
    GetBucketLifecycleConfigurationOutput,
    GetBucketLifecycleConfigurationRequest,
    GetBucketLoggingOutput,
    GetBucketLoggingRequest,
    GetBucketReplicationOutput,
    GetBucketReplicationRequest,
    GetBucketRequestPaymentOutput,
    GetBucketRequestPaymentRequest,
    GetBucketVersioningOutput,
    GetBucketVersioningRequest,
    GetBucketWebsiteOutput,
    GetBucketWebsiteRequest,
    GetObjectLockConfigurationOutput,
    GetObjectLockConfigurationRequest,
)


class NoSuchCORSConfiguration(S3Error):
    code = "NoSuchCORSConfiguration"
    status = 404
    text = "The CORS configuration does not exist"


class NoSuchLifecycleConfiguration(S3Error):
    code = "NoSuchLifecycleConfiguration"
    status = 404
    text = "The lifecycle configuration does not exist"


class NoSuchWebsiteConfiguration(S3Error):
    code = "NoSuchWebsiteConfiguration"
    status = 404
    text = "The specified bucket does not have a website configuration"


class ObjectLockConfigurationNotFoundError(S3Error):
    code = "ObjectLockConfigurationNotFoundError"
    status = 404
    text = "Object Lock configuration does not exist for this bucket"


class ReplicationConfigurationNotFoundError(S3Error):
    code = "ReplicationConfigurationNotFoundError"
    status = 404
    text = "The replication configuration was not found"


class ServerSideEncryptionConfigurationNotFoundError(S3Error):
    code = "ServerSideEncryptionConfigurationNotFoundError"
    status = 404
    text = "The server side encryption configuration was not found"


@operation("GetBucketVersioning", reads=True, check=on_bucket("s3:GetBucketVersioning"))
def get_bucket_versioning(ctx: Context, req: GetBucketVersioningRequest) -> GetBucketVersioningOutput:
    find_bucket(ctx, req)
    return {}


@operation("GetBucketAccelerateConfiguration", reads=True, check=on_bucket("s3:GetAccelerateConfiguration"))
def get_bucket_accelerate_configuration(
    ctx: Context, req: GetBucketAccelerateConfigurationRequest
) -> GetBucketAccelerateConfigurationOutput:
    find_bucket(ctx, req)
    return {}


@operation("GetBucketLogging", reads=True, check=on_bucket("s3:GetBucketLogging"))
def get_bucket_logging(ctx: Context, req: GetBucketLoggingRequest) -> GetBucketLoggingOutput:
    find_bucket(ctx, req)
    return {}


@operation("GetBucketRequestPayment", reads=True, check=on_bucket("s3:GetBucketRequestPayment"))
def get_bucket_request_payment(ctx: Context, req: GetBucketRequestPaymentRequest) -> GetBucketRequestPaymentOutput:
    find_bucket(ctx, req)
    return {"Payer": "BucketOwner"}


@operation("GetBucketCors", reads=True, check=on_bucket("s3:GetBucketCORS"))
def get_bucket_cors(ctx: Context, req: GetBucketCorsRequest) -> GetBucketCorsOutput:
    raise NoSuchCORSConfiguration(fields={"BucketName": find_bucket(ctx, req).name})


@operation("GetBucketLifecycleConfiguration", reads=True, check=on_bucket("s3:GetLifecycleConfiguration"))
def get_bucket_lifecycle_configuration(
    ctx: Context, req: GetBucketLifecycleConfigurationRequest
) -> GetBucketLifecycleConfigurationOutput:
    raise NoSuchLifecycleConfiguration(fields={"BucketName": find_bucket(ctx, req).name})


@operation("GetBucketWebsite", reads=True, check=on_bucket("s3:GetBucketWebsite"))
def get_bucket_website(ctx: Context, req: GetBucketWebsiteRequest) -> GetBucketWebsiteOutput:
    raise NoSuchWebsiteConfiguration(fields={"BucketName": find_bucket(ctx, req).name})


@operation("GetBucketReplication", reads=True, check=on_bucket("s3:GetReplicationConfiguration"))
def get_bucket_replication(ctx: Context, req: GetBucketReplicationRequest) -> GetBucketReplicationOutput:
    raise ReplicationConfigurationNotFoundError(fields={"BucketName": find_bucket(ctx, req).name})


@operation("GetBucketEncryption", reads=True, check=on_bucket("s3:GetEncryptionConfiguration"))
def get_bucket_encryption(ctx: Context, req: GetBucketEncryptionRequest) -> GetBucketEncryptionOutput:
    """S3 encrypts every bucket since 2023; here bytes are stored as they came, and nothing else is claimed."""
    raise ServerSideEncryptionConfigurationNotFoundError(fields={"BucketName": find_bucket(ctx, req).name})


@operation("GetObjectLockConfiguration", reads=True, check=on_bucket("s3:GetBucketObjectLockConfiguration"))
def get_object_lock_configuration(
    ctx: Context, req: GetObjectLockConfigurationRequest
) -> GetObjectLockConfigurationOutput:
    raise ObjectLockConfigurationNotFoundError(fields={"BucketName": find_bucket(ctx, req).name})
