"""Access control lists, and who owns what.

A bucket whose owner owns everything in it (BucketOwnerEnforced, the default) has no lists that count: nothing here is
asked for it. In other buckets an object belongs to the account that wrote it, and every bucket and object has a list of
grants: to an account (all of it: whom in it is for its own IAM to say), or to everybody.

    canned, parse    what a request says -> grants
    shown            grants -> what an answer says
    rules            which action needs which permission, and who has it
    writing          owner and list of an object that is being made
    operations       reading and replacing the lists
    ownership        the setting

Stored grants of () are the usual list: the owner has full control. A list that says nothing at all is NO_GRANTS.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""
