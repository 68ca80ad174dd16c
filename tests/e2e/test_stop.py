"""Stopping while there is work under way."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from live import LiveCloud
from waiting import wait_until

SLOW = """
import time, boto3
s3 = boto3.client("s3")

def handler(event, context):
    s3.put_object(Bucket="marks", Key="started", Body=b"")
    time.sleep(1.5)
    return "finished"
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def deploy(cloud: LiveCloud, name: str, source: str) -> None:
    """A function that may write to S3."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("app.py", source)
    iam, lambda_ = cloud.client("iam"), cloud.client("lambda")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    runtime = f"python3.{sys.version_info.minor}"
    code = {"ZipFile": archive.getvalue()}
    lambda_.create_function(FunctionName=name, Runtime=runtime, Handler="app.handler", Role=role, Code=code, Timeout=20)
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)


def started(cloud: LiveCloud) -> Any:
    return cloud.client("s3").list_objects_v2(Bucket="marks")["KeyCount"]


def test_sigterm_lets_a_running_invocation_finish(tmp_path: Path) -> None:
    """An invocation that was accepted is answered, though SIGTERM comes in the middle; then the server is gone."""
    with LiveCloud(tmp_path) as cloud, ThreadPoolExecutor(1) as pool:
        cloud.client("s3").create_bucket(Bucket="marks")
        deploy(cloud, "slow", SLOW)
        answer = pool.submit(cloud.client("lambda").invoke, FunctionName="slow")
        wait_until(lambda: started(cloud), "the function runs")
        cloud.stop()
        assert json.load(answer.result()["Payload"]) == "finished"


def test_stops_and_starts_lose_nothing(tmp_path: Path) -> None:
    """Starting again on the same folder and port works every time, and every object is there."""
    cloud = LiveCloud(tmp_path)
    for number in range(5):
        with cloud:
            s3 = cloud.client("s3")
            if number == 0:
                s3.create_bucket(Bucket="kept")
            s3.put_object(Bucket="kept", Key=str(number), Body=bytes(300_000))
            assert s3.list_objects_v2(Bucket="kept")["KeyCount"] == number + 1
