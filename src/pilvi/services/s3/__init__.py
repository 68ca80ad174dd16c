"""Amazon S3: objects in buckets."""

from pilvi.core.operation import service
from pilvi.services.s3 import buckets, delete, get, inspect, put, unset
from pilvi.services.s3.accesslogs import configuration as accesslogs
from pilvi.services.s3.accesslogs.records import RECORDS as LOG_RECORDS
from pilvi.services.s3.accesslogs.watch import Watching
from pilvi.services.s3.acls import operations as acls
from pilvi.services.s3.acls import ownership
from pilvi.services.s3.archive import restore
from pilvi.services.s3.copies import copy
from pilvi.services.s3.cors import configuration as cors
from pilvi.services.s3.cors.records import BucketSharing
from pilvi.services.s3.cors.sharing import BucketsShare
from pilvi.services.s3.encryption import configuration as encryption
from pilvi.services.s3.forms import post
from pilvi.services.s3.inspectors import INSPECTORS
from pilvi.services.s3.lifecycle import configuration as lifecycles
from pilvi.services.s3.lifecycle.delivery import Aging
from pilvi.services.s3.lifecycle.records import Lifecycle
from pilvi.services.s3.listing import objects as listing
from pilvi.services.s3.locks import configuration as locks
from pilvi.services.s3.locks import versions as version_locks
from pilvi.services.s3.multipart import complete, parts, uploads
from pilvi.services.s3.notifications import configuration as notifications
from pilvi.services.s3.policies import configuration as policies
from pilvi.services.s3.records import RECORDS
from pilvi.services.s3.replication import configuration as replication
from pilvi.services.s3.replication.delivery import Replicating
from pilvi.services.s3.replication.records import Replication
from pilvi.services.s3.tagging import operations as tagging
from pilvi.services.s3.versioning import configuration as versioning
from pilvi.services.s3.versioning import versions
from pilvi.services.s3.website import configuration as website
from pilvi.services.s3.website import serve
from pilvi.services.s3.website.records import BucketWebsite

SERVICE = service(
    "s3",
    [
        accesslogs,
        acls,
        buckets,
        complete,
        copy,
        cors,
        delete,
        encryption,
        get,
        inspect,
        lifecycles,
        listing,
        locks,
        notifications,
        ownership,
        parts,
        policies,
        put,
        restore,
        replication,
        tagging,
        unset,
        uploads,
        version_locks,
        versioning,
        versions,
        website,
    ],
    [*RECORDS, *LOG_RECORDS, BucketSharing, BucketWebsite, Lifecycle, Replication],
    deliveries=[Aging(), Replicating()],
    doors=[post, serve],
    sharing=BucketsShare(),
    watches=Watching(),
    inspectors=INSPECTORS,
)
