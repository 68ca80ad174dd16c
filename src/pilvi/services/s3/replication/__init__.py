"""Replication: what is written to a bucket is written to others too, in any region and any account of this cloud.

    the write                      after its commit, at least once
    plan.made / plan.changed  ->   Replicating.begin (bytes read again?)  ->  settle: the version is there as well
    status PENDING, an entry       of the outbox                              COMPLETED; or again later; FAILED

An entry names a version, not a change: delivering means making what the destination has of it equal to what the source
has now. So entries need no order, and may come twice. Versions keep their ids and their places.

Within one cloud a replica shares its source's bytes: it costs a row. Only bytes that are stored in plain, and go to a
bucket that encrypts, are read once more; an object under a key of KMS keeps its bytes, and its data key is wrapped anew.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html
"""
