"""Server access logs: every request to a bucket that wants it becomes a line in another one.

    check / attempt      answer                 now and then              one attempt
    watch(ctx, bucket) -> Gatherer.add(line) -> Gatherer.take(batches) -> deliver(ctx, batch): an object

As on AWS delivery is a best effort: lines wait in memory, are written by a server that is stopped, and are lost with one
that is killed. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""
