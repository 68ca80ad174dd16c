"""CloudWatch Logs over the wire, driven by boto3 and, for tailing, by the AWS CLI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from functions import allow
from refusals import refusal_of


@pytest.fixture
def logs(cloud):
    return cloud.client("logs")


@pytest.fixture
def group(logs, unique):
    name = unique("/test/group")
    logs.create_log_group(logGroupName=name)
    yield name
    logs.delete_log_group(logGroupName=name)


@pytest.fixture
def stream(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    return "s"


def now_ms() -> int:
    return int(time.time() * 1000)


def put(logs, group, stream, *texts, at=None):
    at = at or now_ms()
    events = [{"timestamp": at + place, "message": text} for place, text in enumerate(texts)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def test_events_come_back(logs, group, stream):
    """What was put is read back in order, with its times, and with tokens of AWS's form."""
    before = now_ms()
    put(logs, group, stream, "one", "two ä€")
    page = logs.get_log_events(logGroupName=group, logStreamName=stream)
    assert [event["message"] for event in page["events"]] == ["one", "two ä€"]
    assert all(before <= event["timestamp"] for event in page["events"])
    assert all(before <= event["ingestionTime"] <= now_ms() for event in page["events"])
    assert page["nextForwardToken"].startswith("f/")
    assert page["nextBackwardToken"].startswith("b/")
    again = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=page["nextForwardToken"])
    assert again["events"] == []
    assert again["nextForwardToken"] == page["nextForwardToken"]


def test_by_default_the_newest_events_are_read(logs, group, stream):
    """startFromHead is false: a limit keeps the last events, in ascending order."""
    put(logs, group, stream, *"abcde")
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=2)
    assert [event["message"] for event in page["events"]] == ["d", "e"]
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=2, startFromHead=True)
    assert [event["message"] for event in page["events"]] == ["a", "b"]


def test_the_range_of_time(logs, group, stream):
    """startTime is inclusive; endTime is exclusive for GetLogEvents and inclusive for FilterLogEvents."""
    at = now_ms() - 10_000
    put(logs, group, stream, "a", "b", "c", at=at)
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, startTime=at + 1, endTime=at + 2)
    assert [event["message"] for event in page["events"]] == ["b"]
    page = logs.filter_log_events(logGroupName=group, startTime=at + 1, endTime=at + 2)
    assert [event["message"] for event in page["events"]] == ["b", "c"]


def test_a_search_interleaves_streams(logs, group):
    """FilterLogEvents orders by time over all streams; names and prefixes select; ids are unique."""
    at = now_ms() - 10_000
    for place, name in enumerate(["web-1", "web-2", "db"]):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
        logs.put_log_events(
            logGroupName=group,
            logStreamName=name,
            logEvents=[{"timestamp": at + place + 10 * turn, "message": f"{name} {turn}"} for turn in range(2)],
        )

    def found(**request):
        return [event["message"] for event in logs.filter_log_events(logGroupName=group, **request)["events"]]

    assert found() == ["web-1 0", "web-2 0", "db 0", "web-1 1", "web-2 1", "db 1"]
    assert found(logStreamNamePrefix="web-") == ["web-1 0", "web-2 0", "web-1 1", "web-2 1"]
    assert found(logStreamNames=["db"], filterPattern="1") == ["db 1"]
    events = logs.filter_log_events(logGroupName=group)["events"]
    assert len({event["eventId"] for event in events}) == 6
    assert {event["logStreamName"] for event in events} == {"web-1", "web-2", "db"}
    refusal_of(
        "InvalidParameterException",
        logs.filter_log_events,
        logGroupName=group,
        logStreamNames=["db"],
        logStreamNamePrefix="d",
    )
    refusal_of("ResourceNotFoundException", logs.filter_log_events, logGroupName=group, logStreamNames=["none"])


def test_the_paginator_meets_every_event(logs, group, stream):
    """boto3's own paginator over pages of three."""
    put(logs, group, stream, *(f"m{number}" for number in range(10)))
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 3})
    assert [event["message"] for page in pages for event in page["events"]] == [f"m{number}" for number in range(10)]


def test_searches_beside_each_other(logs, group, stream):
    """Searches run on threads of their own: hundreds at once, over seconds, all answer the same."""
    put(logs, group, stream, "needle")

    def search(_turn):
        found = logs.filter_log_events(logGroupName=group, filterPattern="needle")["events"]
        return [event["message"] for event in found]

    with ThreadPoolExecutor(8) as threads:
        assert all(found == ["needle"] for found in threads.map(search, range(400)))


def test_json_patterns(logs, group, stream):
    """Structured messages are searched by their fields."""
    put(logs, group, stream, json.dumps({"level": "error", "ms": 7}), json.dumps({"level": "info", "ms": 900}), "text")
    page = logs.filter_log_events(logGroupName=group, filterPattern='{ $.level = "info" && $.ms > 100 }')
    assert [json.loads(event["message"])["ms"] for event in page["events"]] == [900]
    refusal_of("InvalidParameterException", logs.filter_log_events, logGroupName=group, filterPattern="{ $.level = }")


def test_batches_have_limits(logs, group, stream):
    """Order, size and time are checked with AWS's words."""
    at = now_ms()
    unordered = [{"timestamp": at, "message": "a"}, {"timestamp": at - 1, "message": "b"}]
    text = refusal_of(
        "InvalidParameterException",
        logs.put_log_events,
        logGroupName=group,
        logStreamName=stream,
        logEvents=unordered,
    )
    assert text == "Log events in a single PutLogEvents request must be in chronological order."
    big = [{"timestamp": at, "message": "x" * 600_000}] * 2
    text = refusal_of(
        "InvalidParameterException", logs.put_log_events, logGroupName=group, logStreamName=stream, logEvents=big
    )
    assert text == "Upload too large: 1200052 bytes exceeds limit of 1048576"
    old = [{"timestamp": at - 15 * 86_400_000, "message": "a"}]
    answer = logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=old)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}


def test_what_is_not_there(logs, group, unique):
    """Groups and streams that do not exist are named so; those that do are not made twice."""
    missing = unique("none")
    for call, request in (
        (logs.delete_log_group, {}),
        (logs.create_log_stream, {"logStreamName": "s"}),
        (logs.describe_log_streams, {}),
        (logs.filter_log_events, {}),
        (logs.put_retention_policy, {"retentionInDays": 1}),
    ):
        text = refusal_of("ResourceNotFoundException", call, logGroupName=missing, **request)
        assert text == "The specified log group does not exist."
    text = refusal_of("ResourceNotFoundException", logs.get_log_events, logGroupName=group, logStreamName="none")
    assert text == "The specified log stream does not exist."
    assert (
        refusal_of("ResourceAlreadyExistsException", logs.create_log_group, logGroupName=group)
        == "The specified log group already exists"
    )
    logs.create_log_stream(logGroupName=group, logStreamName="twice")
    refusal_of("ResourceAlreadyExistsException", logs.create_log_stream, logGroupName=group, logStreamName="twice")


def test_groups_are_described(cloud, logs, unique):
    """Prefix, pattern and pages; ARN, size, retention and class."""
    prefix = unique("/described")
    for letter in "abc":
        logs.create_log_group(logGroupName=f"{prefix}/{letter}", tags={"letter": letter})
    logs.put_retention_policy(logGroupName=f"{prefix}/a", retentionInDays=7)
    pages = logs.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=prefix, PaginationConfig={"PageSize": 2}
    )
    groups = [group for page in pages for group in page["logGroups"]]
    assert [group["logGroupName"] for group in groups] == [f"{prefix}/{letter}" for letter in "abc"]
    first = groups[0]
    assert first["retentionInDays"] == 7
    assert "retentionInDays" not in groups[1]
    assert first["arn"] == f"arn:aws:logs:{cloud.region}:{cloud.account}:log-group:{prefix}/a:*"
    assert (first["storedBytes"], first["logGroupClass"], first["metricFilterCount"]) == (0, "STANDARD", 0)
    found = logs.describe_log_groups(logGroupNamePattern=f"{prefix[1:]}/b")["logGroups"]
    assert [group["logGroupName"] for group in found] == [f"{prefix}/b"]
    logs.delete_retention_policy(logGroupName=f"{prefix}/a")
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix=f"{prefix}/a")["logGroups"][0]
    refusal_of("InvalidParameterException", logs.put_retention_policy, logGroupName=f"{prefix}/a", retentionInDays=2)


def test_tags_of_groups(cloud, logs, group):
    """Both generations of the tagging operations see the same tags."""
    arn = f"arn:aws:logs:{cloud.region}:{cloud.account}:log-group:{group}"
    logs.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    logs.tag_log_group(logGroupName=group, tags={"c": "3"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2", "c": "3"}
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName=group, tags=["b"])
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"c": "3"}
    refusal_of("ResourceNotFoundException", logs.list_tags_for_resource, resourceArn=f"{arn}-none")


def test_a_user_sees_only_what_a_policy_allows(cloud, logs, group, stream, unique):
    """A policy on the group's ARN with :* allows its streams, and nothing else."""
    iam = cloud.client("iam")
    name = unique("user")
    iam.create_user(UserName=name)
    resource = f"arn:aws:logs:{cloud.region}:{cloud.account}:log-group:{group}:*"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allow("logs:*", resource=resource))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    theirs = cloud.client("logs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    put(theirs, group, stream, "mine")
    assert theirs.filter_log_events(logGroupName=group)["events"]
    text = refusal_of("AccessDeniedException", theirs.create_log_group, logGroupName=group + "-other")
    assert "logs:CreateLogGroup" in text
    refusal_of("AccessDeniedException", theirs.describe_log_groups)


@pytest.mark.parametrize("operation", ["StartLiveTail", "StartQuery", "PutSubscriptionFilter"])
def test_what_is_not_built_says_so(cloud, operation):
    """501, naming the operation."""
    logs = cloud.client("logs", config=Config(inject_host_prefix=False))
    requests = {
        "StartLiveTail": {"logGroupIdentifiers": ["arn:aws:logs:us-east-1:000000000000:log-group:g"]},
        "StartQuery": {"startTime": 0, "endTime": 1, "queryString": "fields @message"},
        "PutSubscriptionFilter": {
            "logGroupName": "g",
            "filterName": "f",
            "filterPattern": "",
            "destinationArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        },
    }
    call = {
        "StartLiveTail": logs.start_live_tail,
        "StartQuery": logs.start_query,
        "PutSubscriptionFilter": logs.put_subscription_filter,
    }[operation]
    with pytest.raises(ClientError) as caught:
        call(**requests[operation])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert operation in caught.value.response["Error"]["Message"]


def test_the_command_line_searches_a_group(cloud, logs, group, stream):
    """`aws logs filter-log-events` shows what was written."""
    put(logs, group, stream, "seen by the command line", "something else")
    aws = Path(sys.executable).with_name("aws")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_DEFAULT_REGION": cloud.region,
    }
    command = [aws, "logs", "filter-log-events", "--log-group-name", group, "--filter-pattern", '"command line"']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert [event["message"] for event in json.loads(done.stdout)["events"]] == ["seen by the command line"]
