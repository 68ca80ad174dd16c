"""Encryption at rest: what requests and buckets ask for, and the keys that it takes.

Every encrypted object (or upload in parts) has a data key of its own, under which its blobs are sealed (core.sealing). The
record holds the data key wrapped: by a key derived from the cloud's master key (SSE-S3), by a key of KMS (SSE-KMS), or by a key
that only the client has (SSE-C). A disk without these keys tells nothing; a changed byte does not open.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
"""
