"""Rules about the age of objects: when they expire, when they change their storage class.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
"""
