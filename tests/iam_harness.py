"""A cloud in one process whose identity is real: tokens, policies and refusals as behind the gateway."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import ACCOUNT, Harness
from pilvi import services
from pilvi.core import caller as callers
from pilvi.core.caller import Caller, Check
from pilvi.core.context import Context
from pilvi.core.operation import Operation
from pilvi.gateway.cloud import LocalCloud, authorise
from pilvi.identity.identity import Identity
from pilvi.services.iam.directory import IamDirectory
from policies import allow, document

MASTER_KEY = bytes(range(32))
READ = document(allow("s3:Get*"))
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


class IamHarness(Harness):
    """`run` acts as the root of ACCOUNT, `as_key` as whoever an access key authenticates."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # A directory of its own: revisions are unique for ids that nobody can guess, and those of tests repeat.
        self.identity = Identity(MASTER_KEY, IamDirectory(), self.ids)
        self.cloud = LocalCloud(services.discover(), self.identity, frozenset, b"master")

    def authorise(self, ctx: Context, service: str, operation: Operation, request: dict[str, Any]) -> None:
        authorise(self.identity, ctx, services.discover()[service], operation, request)

    def caller_of(self, access_key_id: str, token: str | None = None) -> Caller:
        with self.store.read() as tx:
            return self.identity.authenticate(tx, access_key_id, token, self.clock.now_ms()).caller

    def user(self, name: str, *statements: dict[str, Any], account: str = ACCOUNT) -> Caller:
        """A new user with one inline policy of these statements; as its access key authenticates it."""
        root = callers.root(account)
        self.run_as(root, "iam", "CreateUser", UserName=name)
        if statements:
            self.allow(name, *statements, account=account)
        key = self.run_as(root, "iam", "CreateAccessKey", UserName=name)["AccessKey"]["AccessKeyId"]
        return self.caller_of(key)

    def allow(self, name: str, *statements: dict[str, Any], account: str = ACCOUNT) -> None:
        self.run_as(
            callers.root(account),
            "iam",
            "PutUserPolicy",
            UserName=name,
            PolicyName="own",
            PolicyDocument=document(*statements),
        )

    def session(self, caller: Caller, role_arn: str, name: str = "s1", **more: Any) -> Caller:
        """A caller that has assumed a role."""
        made = self.run_as(caller, "sts", "AssumeRole", RoleArn=role_arn, RoleSessionName=name, **more)["Credentials"]
        return self.caller_of(made["AccessKeyId"], made["SessionToken"])

    def may(self, caller: Caller, action: str, resource: str = "*", **more: Any) -> bool:
        with self.store.read() as tx:
            ctx: Context = self.context(tx, caller)
            return self.identity.may(ctx, Check(action, resource, **more))


def new_policy(iam: Callable[..., Any], name: str = "p", text: str = READ, **more: Any) -> str:
    """The ARN of a managed policy that is made now."""
    arn: str = iam("CreatePolicy", PolicyName=name, PolicyDocument=text, **more)["Policy"]["Arn"]
    return arn
