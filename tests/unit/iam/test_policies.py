"""Managed and inline policies, boundaries and tags, in AWS's words and with effect on the next request."""

import json

import pytest

from functions import TRUST_LAMBDA
from harness import ACCOUNT
from iam_harness import ADMIN, READ, new_policy
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied
from pilvi.services.iam.errors import (
    DeleteConflict,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from policies import allow, deny, document


class TestManagedPolicies:
    def test_versions(self, cloud, iam):
        """Five at most, one in force; setting another in force takes effect at once."""
        bob = cloud.user("bob")
        arn = new_policy(iam)
        iam("AttachUserPolicy", UserName="bob", PolicyArn=arn)
        made = iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=document(allow("sqs:*")))["PolicyVersion"]
        assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", False)
        assert cloud.may(bob, "s3:GetObject")
        iam("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")
        assert not cloud.may(bob, "s3:GetObject")
        assert cloud.may(bob, "sqs:SendMessage")
        for _ in range(3):
            iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=READ)
        with pytest.raises(LimitExceeded, match="A managed policy can have up to 5 versions"):
            iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=READ)
        with pytest.raises(DeleteConflict, match="Cannot delete the default version of a policy"):
            iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
        iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v5")
        assert (
            iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=READ, SetAsDefault=True)["PolicyVersion"][
                "VersionId"
            ]
            == "v6"
        )
        assert [one["VersionId"] for one in iam("ListPolicyVersions", PolicyArn=arn)["Versions"]] == [
            "v6",
            "v4",
            "v3",
            "v2",
            "v1",
        ]
        assert iam("ListPolicyVersions", PolicyArn=arn, MaxItems=2)["IsTruncated"]

    def test_a_policy_in_use_stays(self, iam):
        """As does one with several versions."""
        arn = new_policy(iam)
        iam("CreateUser", UserName="bob")
        iam("AttachUserPolicy", UserName="bob", PolicyArn=arn)
        with pytest.raises(DeleteConflict, match="Cannot delete a policy attached to entities"):
            iam("DeletePolicy", PolicyArn=arn)
        iam("DetachUserPolicy", UserName="bob", PolicyArn=arn)
        iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=READ)
        with pytest.raises(DeleteConflict, match="more than one version"):
            iam("DeletePolicy", PolicyArn=arn)
        iam("DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
        iam("DeletePolicy", PolicyArn=arn)
        with pytest.raises(NoSuchEntity, match=f"Policy {arn} was not found"):
            iam("GetPolicy", PolicyArn=arn)

    def test_awss_policies_exist_and_are_awss(self, iam):
        """They can be read, listed and attached, and not changed."""
        shown = iam("GetPolicy", PolicyArn=ADMIN)["Policy"]
        version = iam("GetPolicyVersion", PolicyArn=ADMIN, VersionId=shown["DefaultVersionId"])["PolicyVersion"]
        assert "%2A" in version["Document"]
        listed = {one["PolicyName"] for one in iam("ListPolicies", Scope="AWS", MaxItems=1000)["Policies"]}
        assert {"AdministratorAccess", "ReadOnlyAccess", "AWSLambdaBasicExecutionRole", "AmazonS3FullAccess"} <= listed
        assert iam("ListPolicies", Scope="Local")["Policies"] == []
        with pytest.raises(InvalidInput):
            iam("DeletePolicy", PolicyArn=ADMIN)

    def test_only_what_exists_is_attached(self, iam):
        """In AWS's words."""
        iam("CreateUser", UserName="bob")
        missing = f"arn:aws:iam::{ACCOUNT}:policy/missing"
        with pytest.raises(NoSuchEntity, match=f"Policy {missing} does not exist or is not attachable"):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=missing)
        with pytest.raises(NoSuchEntity, match=f"Policy {ADMIN} was not found"):
            iam("DetachUserPolicy", UserName="bob", PolicyArn=ADMIN)
        with pytest.raises(InvalidInput, match="ARN arn:aws:s3:::bucket-of-mine is not valid"):
            iam("AttachUserPolicy", UserName="bob", PolicyArn="arn:aws:s3:::bucket-of-mine")

    def test_anothers_policy_is_not_attached(self, cloud, iam):
        """Managed policies stay in their account."""
        foreign = cloud.run_as(
            callers.root("999999999999"), "iam", "CreatePolicy", PolicyName="p", PolicyDocument=READ
        )["Policy"]["Arn"]
        iam("CreateUser", UserName="bob")
        with pytest.raises(NoSuchEntity):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=foreign)

    def test_ten_attached_policies(self, iam):
        """To each user, group and role; attaching twice is attaching once."""
        iam("CreateUser", UserName="bob")
        for number in range(11):
            new_policy(iam, f"p{number}")
        for number in (*range(10), 0):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p{number}")
        with pytest.raises(LimitExceeded, match="Cannot exceed quota for PoliciesPerUser: 10"):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p10")
        assert iam("GetPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p0")["Policy"]["AttachmentCount"] == 1

    def test_who_uses_a_policy(self, iam):
        """Users, groups and roles; as a policy or as a boundary."""
        arn = new_policy(iam)
        iam("CreateUser", UserName="bob", PermissionsBoundary=arn)
        iam("CreateGroup", GroupName="g")
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        iam("AttachGroupPolicy", GroupName="g", PolicyArn=arn)
        iam("AttachRolePolicy", RoleName="r", PolicyArn=arn)
        using = iam("ListEntitiesForPolicy", PolicyArn=arn)
        assert [one["UserName"] for one in using["PolicyUsers"]] == ["bob"]
        assert [one["GroupName"] for one in using["PolicyGroups"]] == ["g"]
        assert [one["RoleName"] for one in using["PolicyRoles"]] == ["r"]
        assert iam("ListEntitiesForPolicy", PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy")["PolicyUsers"] == []
        assert iam("ListEntitiesForPolicy", PolicyArn=arn, EntityFilter="Role")["PolicyGroups"] == []
        assert [one["Arn"] for one in iam("ListPolicies", OnlyAttached=True)["Policies"]] == [arn]

    def test_documents_have_a_size(self, iam):
        """Counted without white space."""
        long = document(allow("s3:GetObject", [f"arn:aws:s3:::bucket-{number}/*" for number in range(250)]))
        with pytest.raises(LimitExceeded, match="Cannot exceed quota for PolicySize: 6144"):
            new_policy(iam, text=long)
        iam("CreateUser", UserName="bob")
        with pytest.raises(LimitExceeded, match="Maximum policy size of 2048 bytes exceeded for user bob"):
            iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=long)
        assert iam("ListUserPolicies", UserName="bob")["PolicyNames"] == []
        new_policy(iam, text=json.dumps(json.loads(READ), indent=4000))


class TestInlinePolicies:
    @pytest.mark.parametrize("kind", ["User", "Group", "Role"])
    def test_a_document_comes_back_as_it_was(self, iam, kind):
        """Percent-encoded, byte for byte, white space included; then it is gone."""
        from urllib.parse import unquote

        name = {f"{kind}Name": "x"}
        trust = {"AssumeRolePolicyDocument": TRUST_LAMBDA} if kind == "Role" else {}
        iam(f"Create{kind}", **name, **trust)
        text = json.dumps(json.loads(READ), indent=3)
        iam(f"Put{kind}Policy", **name, PolicyName="P", PolicyDocument=text)
        shown = iam(f"Get{kind}Policy", **name, PolicyName="P")
        assert unquote(shown["PolicyDocument"]) == text
        assert iam(f"List{kind}Policies", **name)["PolicyNames"] == ["P"]
        iam(f"Delete{kind}Policy", **name, PolicyName="P")
        with pytest.raises(NoSuchEntity, match=f"The {kind.lower()} policy with name P cannot be found"):
            iam(f"Get{kind}Policy", **name, PolicyName="P")

    def test_a_malformed_document_is_refused(self, iam):
        """With IAM's words."""
        iam("CreateUser", UserName="bob")
        with pytest.raises(MalformedPolicyDocument, match="Syntax errors in policy"):
            iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument="{")


class TestBoundaries:
    def test_a_boundary_narrows_at_once(self, cloud, iam):
        """Put, changed, taken away."""
        bob = cloud.user("bob", allow("*"))
        iam("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=new_policy(iam))
        assert cloud.may(bob, "s3:GetObject")
        assert not cloud.may(bob, "sqs:SendMessage")
        assert iam("GetUser", UserName="bob")["User"]["PermissionsBoundary"]["PermissionsBoundaryType"] == "Policy"
        iam(
            "PutUserPermissionsBoundary",
            UserName="bob",
            PermissionsBoundary=new_policy(iam, "q", document(allow("sqs:*"))),
        )
        assert cloud.may(bob, "sqs:SendMessage")
        iam("DeleteUserPermissionsBoundary", UserName="bob")
        assert cloud.may(bob, "ec2:RunInstances")
        with pytest.raises(NoSuchEntity):
            iam("DeleteUserPermissionsBoundary", UserName="bob")

    def test_delegated_administrators_must_bind(self, cloud, iam):
        """iam:PermissionsBoundary: roles may be made with this boundary only, and it may not be taken off."""
        arn = new_policy(iam)
        bound = {"StringEquals": {"iam:PermissionsBoundary": arn}}
        bob = cloud.user(
            "bob",
            allow(["iam:CreateRole", "iam:AttachRolePolicy"], Condition=bound),
            deny("iam:DeleteRolePermissionsBoundary"),
        )
        with pytest.raises(AccessDenied):
            cloud.run_as(bob, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
        cloud.run_as(
            bob, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA, PermissionsBoundary=arn
        )
        cloud.run_as(bob, "iam", "AttachRolePolicy", RoleName="r", PolicyArn=ADMIN)
        with pytest.raises(AccessDenied, match="explicit deny in an identity-based policy"):
            cloud.run_as(bob, "iam", "DeleteRolePermissionsBoundary", RoleName="r")


class TestTags:
    @pytest.mark.parametrize(
        ("kind", "name"), [("User", {"UserName": "x"}), ("Role", {"RoleName": "x"}), ("InstanceProfile", {"InstanceProfileName": "x"}), ("Policy", {})]
    )  # fmt: skip
    def test_tags_come_and_go(self, iam, kind, name):
        """Keys differ without regard to case and keep the newest spelling."""
        more = {
            "Role": {"AssumeRolePolicyDocument": TRUST_LAMBDA},
            "Policy": {"PolicyName": "x", "PolicyDocument": READ},
        }.get(kind, {})
        iam(f"Create{kind}", **name, **more)
        name = name or {"PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/x"}
        iam(f"Tag{kind}", **name, Tags=[{"Key": "Team", "Value": "red"}, {"Key": "b", "Value": ""}])
        iam(f"Tag{kind}", **name, Tags=[{"Key": "team", "Value": "blue"}])
        listed = iam(f"List{kind}Tags", **name)["Tags"]
        assert sorted((tag["Key"], tag["Value"]) for tag in listed) == [("b", ""), ("team", "blue")]
        iam(f"Untag{kind}", **name, TagKeys=["TEAM", "nothing"])
        assert iam(f"List{kind}Tags", **name)["Tags"] == [{"Key": "b", "Value": ""}]

    def test_what_tags_are_refused(self, iam):
        """One key twice, AWS's own keys, more than fifty."""
        with pytest.raises(InvalidInput, match="Duplicate tag keys found"):
            iam("CreateUser", UserName="bob", Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}])
        iam("CreateUser", UserName="bob")
        with pytest.raises(InvalidInput, match="aws:"):
            iam("TagUser", UserName="bob", Tags=[{"Key": "aws:x", "Value": "1"}])
        iam("TagUser", UserName="bob", Tags=[{"Key": str(number), "Value": ""} for number in range(50)])
        with pytest.raises(LimitExceeded, match="TagsPerUser: 50"):
            iam("TagUser", UserName="bob", Tags=[{"Key": "50", "Value": ""}])

    def test_tags_of_a_user_are_the_principals(self, cloud, iam):
        """aws:PrincipalTag decides from the next request on."""
        bob = cloud.user("bob", allow("s3:*", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}}))
        assert not cloud.may(bob, "s3:GetObject")
        iam("TagUser", UserName="bob", Tags=[{"Key": "team", "Value": "red"}])
        assert cloud.may(cloud.caller_of(bob.access_key_id), "s3:GetObject")

    def test_requests_may_have_to_bring_tags(self, cloud):
        """aws:RequestTag and aws:TagKeys of CreateUser."""
        condition = {
            "StringEquals": {"aws:RequestTag/team": "red"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
        }
        bob = cloud.user("bob", allow("iam:CreateUser", Condition=condition))
        for tags in (
            [],
            [{"Key": "team", "Value": "blue"}],
            [{"Key": "team", "Value": "red"}, {"Key": "x", "Value": "y"}],
        ):
            with pytest.raises(AccessDenied):
                cloud.run_as(bob, "iam", "CreateUser", UserName="new", Tags=tags)
        cloud.run_as(bob, "iam", "CreateUser", UserName="new", Tags=[{"Key": "team", "Value": "red"}])
