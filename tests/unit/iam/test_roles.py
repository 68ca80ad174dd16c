"""Roles and instance profiles, the account as a whole, and what is true of every operation."""

import pytest

from functions import TRUST_LAMBDA
from harness import ACCOUNT
from iam_harness import ADMIN, READ, new_policy
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied
from pilvi.services.iam import MODULES
from pilvi.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from policies import allow, document


class TestRoles:
    def test_a_role_is_made_and_changed(self, iam):
        """Its trust policy travels percent-encoded."""
        made = iam(
            "CreateRole", RoleName="R", AssumeRolePolicyDocument=TRUST_LAMBDA, Path="/service/", MaxSessionDuration=7200
        )["Role"]
        assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/service/R"
        assert made["AssumeRolePolicyDocument"].startswith("%7B%22Version%22")
        iam("UpdateRole", RoleName="R", Description="d")
        shown = iam("GetRole", RoleName="r")["Role"]
        assert (shown["Description"], shown["MaxSessionDuration"]) == ("d", 7200)
        assert iam("ListRoles")["Roles"][0]["RoleName"] == "R"

    def test_trust_must_be_a_trust_policy(self, iam):
        """And trust somebody who exists."""
        with pytest.raises(MalformedPolicyDocument, match="Has prohibited field Resource"):
            iam(
                "CreateRole",
                RoleName="r",
                AssumeRolePolicyDocument=READ.replace("s3:Get*", "sts:AssumeRole").replace(
                    '"Effect"', '"Principal":"*","Effect"'
                ),
            )
        nobody = document(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}}
        )
        with pytest.raises(
            MalformedPolicyDocument, match=f'Invalid principal in policy: "AWS":"arn:aws:iam::{ACCOUNT}:user/nobody"'
        ):
            iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=nobody)
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        with pytest.raises(MalformedPolicyDocument, match="Syntax errors in policy"):
            iam("UpdateAssumeRolePolicy", RoleName="r", PolicyDocument="{")

    def test_a_role_in_a_profile_stays(self, iam):
        """Until it is taken out."""
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        iam("CreateInstanceProfile", InstanceProfileName="i")
        iam("AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")
        with pytest.raises(LimitExceeded, match="InstanceSessionsPerInstanceProfile: 1"):
            iam("AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")
        assert iam("ListInstanceProfilesForRole", RoleName="r")["InstanceProfiles"][0]["Roles"][0]["RoleName"] == "r"
        with pytest.raises(DeleteConflict, match="must remove roles from instance profile first"):
            iam("DeleteRole", RoleName="r")
        with pytest.raises(DeleteConflict):
            iam("DeleteInstanceProfile", InstanceProfileName="i")
        iam("RemoveRoleFromInstanceProfile", InstanceProfileName="i", RoleName="r")
        iam("DeleteRole", RoleName="r")
        iam("DeleteInstanceProfile", InstanceProfileName="i")
        assert iam("ListInstanceProfiles")["InstanceProfiles"] == []

    def test_to_put_a_role_in_a_profile_is_to_pass_it(self, cloud, iam):
        """iam:PassRole on the role, to EC2."""
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        iam("CreateInstanceProfile", InstanceProfileName="i")
        bob = cloud.user("bob", allow("iam:AddRoleToInstanceProfile"))
        with pytest.raises(AccessDenied, match=f"iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/r"):
            cloud.run_as(bob, "iam", "AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")
        cloud.allow(
            "bob",
            allow("iam:AddRoleToInstanceProfile"),
            allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
        )
        cloud.run_as(bob, "iam", "AddRoleToInstanceProfile", InstanceProfileName="i", RoleName="r")


class TestAccount:
    def test_an_account_has_one_alias(self, cloud, iam):
        """Unique in the cloud; a new one replaces the old one."""
        iam("CreateAccountAlias", AccountAlias="mine")
        with pytest.raises(EntityAlreadyExists):
            cloud.run_as(callers.root("999999999999"), "iam", "CreateAccountAlias", AccountAlias="mine")
        iam("CreateAccountAlias", AccountAlias="ours")
        assert iam("ListAccountAliases")["AccountAliases"] == ["ours"]
        with pytest.raises(NoSuchEntity):
            iam("DeleteAccountAlias", AccountAlias="mine")
        iam("DeleteAccountAlias", AccountAlias="ours")
        assert iam("ListAccountAliases")["AccountAliases"] == []

    def test_the_summary_counts(self, iam):
        """What is there, and the quotas."""
        before = iam("GetAccountSummary")["SummaryMap"]
        iam("CreateUser", UserName="bob")
        new_policy(iam)
        after = iam("GetAccountSummary")["SummaryMap"]
        assert (after["Users"], after["Policies"], after["PolicyVersionsInUse"]) == (before["Users"] + 1, 1, 1)
        assert after["UsersQuota"] == 5000

    def test_everything_at_once(self, iam):
        """Users, groups, roles and policies in use with all that hangs on them, in pieces."""
        arn = new_policy(iam)
        iam("CreateUser", UserName="bob", Tags=[{"Key": "a", "Value": "b"}])
        iam("CreateGroup", GroupName="g")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=READ)
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        iam("AttachRolePolicy", RoleName="r", PolicyArn=ADMIN)
        whole = iam("GetAccountAuthorizationDetails")
        (bob,), (group,), (role,) = whole["UserDetailList"], whole["GroupDetailList"], whole["RoleDetailList"]
        assert (bob["GroupList"], bob["UserPolicyList"][0]["PolicyName"], bob["Tags"]) == (
            ["g"],
            "p",
            [{"Key": "a", "Value": "b"}],
        )
        assert group["GroupName"] == "g"
        assert role["AttachedManagedPolicies"] == [{"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN}]
        assert {one["Arn"] for one in whole["Policies"]} == {arn, ADMIN}
        assert [len(v["Document"]) > 0 for one in whole["Policies"] for v in one["PolicyVersionList"]] == [True, True]
        seen, marker = [], {}
        while True:
            piece = iam("GetAccountAuthorizationDetails", MaxItems=2, **marker)
            seen += [
                one["Arn"]
                for name in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
                for one in piece[name]
            ]
            if not piece["IsTruncated"]:
                break
            marker = {"Marker": piece["Marker"]}
        assert len(seen) == len(set(seen)) == 5
        assert iam("GetAccountAuthorizationDetails", Filter=["Role"])["UserDetailList"] == []


def test_every_operation_that_writes_makes_a_new_revision():
    """Else what the directory remembers would outlive the change."""
    operations = [
        value.__operation__
        for module in MODULES
        for value in vars(module).values()
        if hasattr(value, "__operation__") and value.__module__ == module.__name__
    ]
    assert len(operations) > 80
    for operation in operations:
        assert hasattr(operation.run, "__wrapped__") is not operation.reads, operation.name


def test_every_operation_asks_its_own_question(cloud):
    """The action is the operation's name, and a user without policies is refused each of them."""
    nobody = cloud.user("nobody")
    request = {
        "UserName": "x", "GroupName": "x", "RoleName": "x", "PolicyName": "x", "InstanceProfileName": "x", "AccessKeyId": "A" * 20,
        "PolicyArn": ADMIN, "PolicyDocument": READ, "AssumeRolePolicyDocument": TRUST_LAMBDA, "PermissionsBoundary": ADMIN, "VersionId": "v1",
        "AccountAlias": "xyz", "Tags": [], "TagKeys": [], "Status": "Active", "Description": "x", "PolicySourceArn": nobody.arn,
        "ActionNames": ["s3:GetObject"], "PolicyInputList": [READ],
    }  # fmt: skip
    from pilvi.services.iam import SERVICE

    for name in SERVICE.operations:
        with pytest.raises(AccessDenied, match=f"not authorized to perform: iam:{name}( |$)"):
            cloud.run_as(nobody, "iam", name, **request)
