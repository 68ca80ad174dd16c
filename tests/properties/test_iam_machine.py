"""Whatever is done to IAM, in whatever order, also when it fails or is undone: what the directory remembers is what the
records say, and nothing is left of what was deleted."""

import contextlib
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harness import ACCOUNT
from iam_harness import IamHarness
from pilvi.core.caller import Caller, Check
from pilvi.core.errors import CloudError
from pilvi.identity.authorise import judge
from pilvi.services.iam.directory import IamDirectory
from pilvi.services.iam.records import Attachment, InlinePolicy, Membership
from policies import allow, deny, document

names = st.sampled_from(["ann", "Bob", "cy"])
groups = st.sampled_from(["g", "h"])
statements = st.sampled_from([allow("s3:*"), allow("sqs:*"), deny("s3:GetObject"), allow("*")])
ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage", "ec2:RunInstances")
POLICIES = ("arn:aws:iam::aws:policy/AmazonS3FullAccess", f"arn:aws:iam::{ACCOUNT}:policy/own")
policies = st.sampled_from(POLICIES)


class Undo(Exception):
    """Leaves an attempt."""


class IamMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.cloud = IamHarness(Path(self.folder.name))
        self.iam("CreatePolicy", PolicyName="own", PolicyDocument=document(allow("sqs:*")))
        for name in ("g", "h"):
            self.iam("CreateGroup", GroupName=name)

    def teardown(self):
        self.cloud.store.close()
        self.folder.cleanup()

    def iam(self, operation, **request):
        """Whatever the client would be told, the cloud goes on."""
        with contextlib.suppress(CloudError):
            return self.cloud.run("iam", operation, **request)
        return None

    @rule(name=names)
    def create(self, name):
        self.iam("CreateUser", UserName=name)

    @rule(name=names, new=names)
    def rename(self, name, new):
        self.iam("UpdateUser", UserName=name, NewUserName=new)

    @rule(name=names)
    def delete(self, name):
        self.iam("DeleteUser", UserName=name)

    @rule(name=names)
    def delete_with_all(self, name):
        for group in ("g", "h"):
            self.iam("RemoveUserFromGroup", GroupName=group, UserName=name)
        for policy in POLICIES:
            self.iam("DetachUserPolicy", UserName=name, PolicyArn=policy)
        self.iam("DeleteUserPolicy", UserName=name, PolicyName="p")
        self.iam("DeleteUser", UserName=name)

    @rule(name=names, statement=statements)
    def write(self, name, statement):
        self.iam("PutUserPolicy", UserName=name, PolicyName="p", PolicyDocument=document(statement))

    @rule(name=names, statement=statements)
    def write_and_undo(self, name, statement):
        """An attempt that others in it already see, and that never happened."""

        def attempt(tx):
            ctx = self.cloud.context(tx)
            from pilvi.services.iam import inline

            with contextlib.suppress(CloudError):
                inline.put_user_policy(
                    ctx, {"UserName": name, "PolicyName": "p", "PolicyDocument": document(statement)}
                )
            for user in self.users():
                self.cloud.identity.may(ctx.acting_as(user), Check("s3:GetObject"))
            raise Undo

        with contextlib.suppress(Undo):
            self.cloud.store.write(attempt)

    @rule(name=names)
    def erase(self, name):
        self.iam("DeleteUserPolicy", UserName=name, PolicyName="p")

    @rule(name=names, policy=policies)
    def attach(self, name, policy):
        self.iam("AttachUserPolicy", UserName=name, PolicyArn=policy)

    @rule(name=names, policy=policies)
    def detach(self, name, policy):
        self.iam("DetachUserPolicy", UserName=name, PolicyArn=policy)

    @rule(name=names, group=groups)
    def join(self, name, group):
        self.iam("AddUserToGroup", GroupName=group, UserName=name)

    @rule(name=names, group=groups)
    def leave(self, name, group):
        self.iam("RemoveUserFromGroup", GroupName=group, UserName=name)

    @rule(group=groups, policy=policies)
    def attach_to_group(self, group, policy):
        self.iam("AttachGroupPolicy", GroupName=group, PolicyArn=policy)

    @rule(statement=statements)
    def new_version(self, statement):
        arn = POLICIES[1]
        for one in (self.iam("ListPolicyVersions", PolicyArn=arn) or {"Versions": []})["Versions"]:
            if not one["IsDefaultVersion"]:
                self.iam("DeletePolicyVersion", PolicyArn=arn, VersionId=one["VersionId"])
        self.iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document(statement), SetAsDefault=True)

    @rule(name=names, policy=policies)
    def bind(self, name, policy):
        self.iam("PutUserPermissionsBoundary", UserName=name, PermissionsBoundary=policy)

    @rule(name=names)
    def unbind(self, name):
        self.iam("DeleteUserPermissionsBoundary", UserName=name)

    def users(self):
        found = self.iam("ListUsers")["Users"]
        return [Caller("user", ACCOUNT, one["Arn"], one["UserId"], one["Arn"]) for one in found]

    @invariant()
    def memory_is_truth(self):
        with self.cloud.store.read() as tx:
            for user in self.users():
                for action in ACTIONS:
                    fresh = judge(tx, IamDirectory(), user, Check(action), {}, 0).allowed
                    assert self.cloud.may(user, action) == fresh
                assert self.cloud.identity._directory.exists(tx, user)

    @invariant()
    def nothing_hangs_in_the_air(self):
        """Every membership, attachment and inline policy belongs to somebody who exists."""
        there = {user.user_id for user in self.users()} | {one["GroupId"] for one in self.iam("ListGroups")["Groups"]}
        with self.cloud.store.read() as tx:
            assert {one.user for one in tx[Membership].scan()} <= there
            assert {one.entity for one in tx[Attachment].scan()} <= there
            assert {one.entity for one in tx[InlinePolicy].scan()} <= there


TestIamMachine = IamMachine.TestCase
TestIamMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
