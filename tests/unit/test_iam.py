"""IAM's operations: what they keep, refuse and forget, in AWS's words."""

import json

import pytest

from harness import ACCOUNT
from iam_harness import IamHarness
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied, ValidationError
from pilvi.services.iam import MODULES
from pilvi.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    InvalidInput,
    LimitExceeded,
    MalformedPolicyDocument,
    NoSuchEntity,
)
from policies import allow, deny, document

READ = document(allow("s3:Get*"))
LAMBDA = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}})
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@pytest.fixture
def cloud(tmp_path):
    with IamHarness(tmp_path) as cloud:
        yield cloud


@pytest.fixture
def iam(cloud):
    return lambda operation, **request: cloud.run("iam", operation, **request)


def policy(iam, name="p", text=READ, **more):
    return iam("CreatePolicy", PolicyName=name, PolicyDocument=text, **more)["Policy"]["Arn"]


class TestUsers:
    def test_a_user_is_made_and_found(self, iam):
        """With path, id, ARN, and tags; names have no case."""
        made = iam("CreateUser", UserName="Bob", Path="/team/", Tags=[{"Key": "a", "Value": "1"}])["User"]
        assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/Bob"
        assert made["UserId"].startswith("AIDA")
        assert len(made["UserId"]) == 21
        assert iam("GetUser", UserName="bob")["User"] == made
        with pytest.raises(EntityAlreadyExists, match="User with name BOB already exists"):
            iam("CreateUser", UserName="BOB")

    def test_nobody_is_not_found(self, iam):
        """In AWS's words."""
        with pytest.raises(NoSuchEntity, match="The user with name eve cannot be found"):
            iam("GetUser", UserName="eve")

    def test_a_new_name_and_path_change_nothing_else(self, cloud, iam):
        """Groups, policies and keys stay with the user."""
        iam("CreateUser", UserName="bob")
        iam("CreateGroup", GroupName="g")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        iam("AttachUserPolicy", UserName="bob", PolicyArn=ADMIN)
        iam("UpdateUser", UserName="bob", NewUserName="rob", NewPath="/x/")
        assert iam("GetUser", UserName="rob")["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/x/rob"
        assert [one["UserName"] for one in iam("GetGroup", GroupName="g")["Users"]] == ["rob"]
        assert iam("ListAttachedUserPolicies", UserName="rob")["AttachedPolicies"][0]["PolicyArn"] == ADMIN
        with pytest.raises(NoSuchEntity):
            iam("GetUser", UserName="bob")

    def test_a_new_name_must_be_free(self, iam):
        """But the same name in another case is the user's own."""
        for name in ("bob", "eve"):
            iam("CreateUser", UserName=name)
        with pytest.raises(EntityAlreadyExists):
            iam("UpdateUser", UserName="bob", NewUserName="Eve")
        iam("UpdateUser", UserName="bob", NewUserName="Bob")
        assert iam("GetUser", UserName="bob")["User"]["UserName"] == "Bob"

    def test_what_hangs_on_a_user_keeps_it(self, iam):
        """Each thing must be taken away before the user can be deleted."""
        iam("CreateUser", UserName="bob", PermissionsBoundary=READ_ONLY)
        iam("CreateGroup", GroupName="g")
        key = iam("CreateAccessKey", UserName="bob")["AccessKey"]["AccessKeyId"]
        for put, take, words in (
            (("AddUserToGroup", {"GroupName": "g"}), ("RemoveUserFromGroup", {"GroupName": "g"}), "must remove users from group first"),
            (("AttachUserPolicy", {"PolicyArn": ADMIN}), ("DetachUserPolicy", {"PolicyArn": ADMIN}), "must detach all policies first"),
            (("PutUserPolicy", {"PolicyName": "p", "PolicyDocument": READ}), ("DeleteUserPolicy", {"PolicyName": "p"}), "must delete policies first"),
        ):  # fmt: skip
            iam(put[0], UserName="bob", **put[1])
            with pytest.raises(DeleteConflict, match="Cannot delete entity"):
                iam("DeleteUser", UserName="bob")
            iam("DeleteAccessKey", UserName="bob", AccessKeyId=key) if key else None
            key = None
            with pytest.raises(DeleteConflict, match=words):
                iam("DeleteUser", UserName="bob")
            iam(take[0], UserName="bob", **take[1])
        iam("DeleteUser", UserName="bob")
        assert iam("GetPolicy", PolicyArn=READ_ONLY)["Policy"]["PermissionsBoundaryUsageCount"] == 0

    def test_access_keys_keep_a_user(self, iam):
        """Also inactive ones."""
        iam("CreateUser", UserName="bob")
        iam("CreateAccessKey", UserName="bob")
        with pytest.raises(DeleteConflict, match="must delete access keys first"):
            iam("DeleteUser", UserName="bob")

    def test_lists_come_in_pieces_by_path(self, iam):
        """In the order of names, nothing skipped or repeated though users come and go in between."""
        for number in range(7):
            iam("CreateUser", UserName=f"u{number}", Path="/a/" if number % 2 else "/b/")
        first = iam("ListUsers", MaxItems=3)
        assert ([one["UserName"] for one in first["Users"]], first["IsTruncated"]) == (["u0", "u1", "u2"], True)
        iam("DeleteUser", UserName="u2")
        second = iam("ListUsers", MaxItems=10, Marker=first["Marker"])
        assert ([one["UserName"] for one in second["Users"]], second["IsTruncated"]) == (
            ["u3", "u4", "u5", "u6"],
            False,
        )
        assert [one["UserName"] for one in iam("ListUsers", PathPrefix="/a/")["Users"]] == ["u1", "u3", "u5"]
        with pytest.raises(ValidationError):
            iam("ListUsers", Marker="ä")

    def test_who_asks_for_nobody_asks_for_himself(self, cloud, iam):
        """GetUser without a name: the user, or the root; a role is neither."""
        bob = cloud.user("bob", allow("iam:GetUser"))
        assert cloud.run_as(bob, "iam", "GetUser")["User"]["UserName"] == "bob"
        assert iam("GetUser")["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
        iam(
            "CreateRole",
            RoleName="r",
            AssumeRolePolicyDocument=document(
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": bob.arn}}
            ),
        )
        iam("AttachRolePolicy", RoleName="r", PolicyArn=ADMIN)
        with pytest.raises(ValidationError, match="Must specify userName when calling with non-User credentials"):
            cloud.run_as(cloud.session(bob, f"arn:aws:iam::{ACCOUNT}:role/r"), "iam", "GetUser")

    def test_accounts_are_apart(self, cloud, iam):
        """The same name in two accounts is two users."""
        other = callers.root("999999999999")
        iam("CreateUser", UserName="bob")
        assert cloud.run_as(other, "iam", "ListUsers")["Users"] == []
        assert "999999999999" in cloud.run_as(other, "iam", "CreateUser", UserName="bob")["User"]["Arn"]


class TestAccessKeys:
    def test_a_key_authenticates_until_it_is_gone(self, cloud, iam):
        """Active, inactive, active, deleted: each takes effect at once."""
        from pilvi.identity.authenticate import AuthenticationFailed, Problem

        iam("CreateUser", UserName="bob")
        key = iam("CreateAccessKey", UserName="bob")["AccessKey"]
        assert (len(key["AccessKeyId"]), len(key["SecretAccessKey"])) == (20, 40)
        assert cloud.caller_of(key["AccessKeyId"]).arn == f"arn:aws:iam::{ACCOUNT}:user/bob"
        for status, problem in (("Inactive", Problem.INACTIVE_KEY), ("Active", None)):
            iam("UpdateAccessKey", UserName="bob", AccessKeyId=key["AccessKeyId"], Status=status)
            if problem is None:
                cloud.caller_of(key["AccessKeyId"])
                continue
            with pytest.raises(AuthenticationFailed) as failed:
                cloud.caller_of(key["AccessKeyId"])
            assert failed.value.problem is problem
        iam("DeleteAccessKey", UserName="bob", AccessKeyId=key["AccessKeyId"])
        with pytest.raises(AuthenticationFailed) as failed:
            cloud.caller_of(key["AccessKeyId"])
        assert failed.value.problem is Problem.UNKNOWN_KEY

    def test_the_secret_is_told_once(self, iam):
        """Lists show ids and status."""
        iam("CreateUser", UserName="bob")
        key = iam("CreateAccessKey", UserName="bob")["AccessKey"]
        (listed,) = iam("ListAccessKeys", UserName="bob")["AccessKeyMetadata"]
        assert listed["AccessKeyId"] == key["AccessKeyId"]
        assert key["SecretAccessKey"] not in str(listed)

    def test_two_keys_and_no_more(self, iam):
        """Per user."""
        iam("CreateUser", UserName="bob")
        iam("CreateAccessKey", UserName="bob")
        iam("CreateAccessKey", UserName="bob")
        with pytest.raises(LimitExceeded, match="Cannot exceed quota for AccessKeysPerUser: 2"):
            iam("CreateAccessKey", UserName="bob")

    def test_a_key_is_its_owners(self, iam):
        """Another user's name does not reach it."""
        for name in ("bob", "eve"):
            iam("CreateUser", UserName=name)
        key = iam("CreateAccessKey", UserName="bob")["AccessKey"]["AccessKeyId"]
        with pytest.raises(NoSuchEntity, match=f"The Access Key with id {key} cannot be found"):
            iam("DeleteAccessKey", UserName="eve", AccessKeyId=key)
        with pytest.raises(NoSuchEntity):
            iam("DeleteAccessKey", AccessKeyId=key)

    def test_users_may_manage_their_own(self, cloud, iam):
        """With the policy that every guide shows, and no one else's."""
        own = allow("iam:*AccessKey*", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
        bob = cloud.user("bob", own)
        iam("CreateUser", UserName="eve")
        cloud.run_as(bob, "iam", "CreateAccessKey")
        assert len(cloud.run_as(bob, "iam", "ListAccessKeys", UserName="bob")["AccessKeyMetadata"]) == 2
        with pytest.raises(AccessDenied):
            cloud.run_as(bob, "iam", "CreateAccessKey", UserName="eve")


class TestGroups:
    def test_members_have_the_groups_policies(self, cloud, iam):
        """Inline and attached, from the moment they join until they leave."""
        bob = cloud.user("bob")
        iam("CreateGroup", GroupName="g")
        iam("PutGroupPolicy", GroupName="g", PolicyName="p", PolicyDocument=READ)
        iam("AttachGroupPolicy", GroupName="g", PolicyArn=policy(iam, text=document(allow("sqs:*"))))
        assert not cloud.may(bob, "s3:GetObject")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        assert cloud.may(bob, "s3:GetObject")
        assert cloud.may(bob, "sqs:SendMessage")
        iam("RemoveUserFromGroup", GroupName="g", UserName="bob")
        assert not cloud.may(bob, "s3:GetObject")

    def test_members_keep_a_group(self, iam):
        """As do policies."""
        iam("CreateUser", UserName="bob")
        iam("CreateGroup", GroupName="g")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        with pytest.raises(DeleteConflict, match="must remove users from group first"):
            iam("DeleteGroup", GroupName="g")
        iam("RemoveUserFromGroup", GroupName="g", UserName="bob")
        iam("PutGroupPolicy", GroupName="g", PolicyName="p", PolicyDocument=READ)
        with pytest.raises(DeleteConflict, match="must delete policies first"):
            iam("DeleteGroup", GroupName="g")

    def test_ten_groups_for_a_user(self, iam):
        """Joining twice is joining once."""
        iam("CreateUser", UserName="bob")
        for number in range(11):
            iam("CreateGroup", GroupName=f"g{number}")
        for number in (*range(10), 0):
            iam("AddUserToGroup", GroupName=f"g{number}", UserName="bob")
        with pytest.raises(LimitExceeded, match="GroupsPerUser: 10"):
            iam("AddUserToGroup", GroupName="g10", UserName="bob")
        assert len(iam("ListGroupsForUser", UserName="bob")["Groups"]) == 10

    def test_who_is_not_in_cannot_leave(self, iam):
        """NoSuchEntity."""
        iam("CreateUser", UserName="bob")
        iam("CreateGroup", GroupName="g")
        with pytest.raises(NoSuchEntity):
            iam("RemoveUserFromGroup", GroupName="g", UserName="bob")
        with pytest.raises(NoSuchEntity, match="The group with name h cannot be found"):
            iam("RemoveUserFromGroup", GroupName="h", UserName="bob")


class TestRoles:
    def test_a_role_is_made_and_changed(self, iam):
        """Its trust policy travels percent-encoded."""
        made = iam(
            "CreateRole", RoleName="R", AssumeRolePolicyDocument=LAMBDA, Path="/service/", MaxSessionDuration=7200
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
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
        with pytest.raises(MalformedPolicyDocument, match="Syntax errors in policy"):
            iam("UpdateAssumeRolePolicy", RoleName="r", PolicyDocument="{")

    def test_a_role_in_a_profile_stays(self, iam):
        """Until it is taken out."""
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
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
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
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


class TestManagedPolicies:
    def test_versions(self, cloud, iam):
        """Five at most, one in force; setting another in force takes effect at once."""
        bob = cloud.user("bob")
        arn = policy(iam)
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
        arn = policy(iam)
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
            policy(iam, f"p{number}")
        for number in (*range(10), 0):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p{number}")
        with pytest.raises(LimitExceeded, match="Cannot exceed quota for PoliciesPerUser: 10"):
            iam("AttachUserPolicy", UserName="bob", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p10")
        assert iam("GetPolicy", PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/p0")["Policy"]["AttachmentCount"] == 1

    def test_who_uses_a_policy(self, iam):
        """Users, groups and roles; as a policy or as a boundary."""
        arn = policy(iam)
        iam("CreateUser", UserName="bob", PermissionsBoundary=arn)
        iam("CreateGroup", GroupName="g")
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
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
            policy(iam, text=long)
        iam("CreateUser", UserName="bob")
        with pytest.raises(LimitExceeded, match="Maximum policy size of 2048 bytes exceeded for user bob"):
            iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=long)
        assert iam("ListUserPolicies", UserName="bob")["PolicyNames"] == []
        policy(iam, text=json.dumps(json.loads(READ), indent=4000))


class TestInlinePolicies:
    @pytest.mark.parametrize("kind", ["User", "Group", "Role"])
    def test_a_document_comes_back_as_it_was(self, iam, kind):
        """Percent-encoded, byte for byte, white space included; then it is gone."""
        from urllib.parse import unquote

        name = {f"{kind}Name": "x"}
        trust = {"AssumeRolePolicyDocument": LAMBDA} if kind == "Role" else {}
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
        iam("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=policy(iam))
        assert cloud.may(bob, "s3:GetObject")
        assert not cloud.may(bob, "sqs:SendMessage")
        assert iam("GetUser", UserName="bob")["User"]["PermissionsBoundary"]["PermissionsBoundaryType"] == "Policy"
        iam(
            "PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=policy(iam, "q", document(allow("sqs:*")))
        )
        assert cloud.may(bob, "sqs:SendMessage")
        iam("DeleteUserPermissionsBoundary", UserName="bob")
        assert cloud.may(bob, "ec2:RunInstances")
        with pytest.raises(NoSuchEntity):
            iam("DeleteUserPermissionsBoundary", UserName="bob")

    def test_delegated_administrators_must_bind(self, cloud, iam):
        """iam:PermissionsBoundary: roles may be made with this boundary only, and it may not be taken off."""
        arn = policy(iam)
        bound = {"StringEquals": {"iam:PermissionsBoundary": arn}}
        bob = cloud.user(
            "bob",
            allow(["iam:CreateRole", "iam:AttachRolePolicy"], Condition=bound),
            deny("iam:DeleteRolePermissionsBoundary"),
        )
        with pytest.raises(AccessDenied):
            cloud.run_as(bob, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
        cloud.run_as(bob, "iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA, PermissionsBoundary=arn)
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
            "Role": {"AssumeRolePolicyDocument": LAMBDA},
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
        policy(iam)
        after = iam("GetAccountSummary")["SummaryMap"]
        assert (after["Users"], after["Policies"], after["PolicyVersionsInUse"]) == (before["Users"] + 1, 1, 1)
        assert after["UsersQuota"] == 5000

    def test_everything_at_once(self, iam):
        """Users, groups, roles and policies in use with all that hangs on them, in pieces."""
        arn = policy(iam)
        iam("CreateUser", UserName="bob", Tags=[{"Key": "a", "Value": "b"}])
        iam("CreateGroup", GroupName="g")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        iam("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=READ)
        iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=LAMBDA)
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
        "PolicyArn": ADMIN, "PolicyDocument": READ, "AssumeRolePolicyDocument": LAMBDA, "PermissionsBoundary": ADMIN, "VersionId": "v1",
        "AccountAlias": "xyz", "Tags": [], "TagKeys": [], "Status": "Active", "Description": "x", "PolicySourceArn": nobody.arn,
        "ActionNames": ["s3:GetObject"], "PolicyInputList": [READ],
    }  # fmt: skip
    from pilvi.services.iam import SERVICE

    for name in SERVICE.operations:
        with pytest.raises(AccessDenied, match=f"not authorized to perform: iam:{name}( |$)"):
            cloud.run_as(nobody, "iam", name, **request)


class TestLastUse:
    def test_a_key_says_when_it_was_used_last(self, cloud, iam):
        """Once what was noted is written; before, that it never was."""
        bob = cloud.user("bob")
        never = iam("GetAccessKeyLastUsed", AccessKeyId=bob.access_key_id)
        assert never == {"UserName": "bob", "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
        for service in ("s3", "iam"):
            cloud.identity.used(bob, service, "eu-west-1", cloud.clock.now_ms())
        uses = cloud.identity.take_uses()
        assert not cloud.identity.take_uses()
        cloud.store.write(lambda tx: cloud.identity.write_uses(tx, uses))
        last = iam("GetAccessKeyLastUsed", AccessKeyId=bob.access_key_id)["AccessKeyLastUsed"]
        assert (last["ServiceName"], last["Region"], last["LastUsedDate"].year) == ("iam", "eu-west-1", 2026)

    def test_a_role_says_when_its_sessions_were(self, cloud, iam):
        """Whichever session it was; a new role of the name starts anew."""
        bob = cloud.user("bob")
        trusting = document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": bob.arn}})
        role = iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=trusting)["Role"]
        assert role["RoleLastUsed"] == {}
        cloud.identity.used(cloud.session(bob, role["Arn"]), "s3", "eu-west-1", cloud.clock.now_ms())
        uses = cloud.identity.take_uses()
        cloud.store.write(lambda tx: cloud.identity.write_uses(tx, uses))
        assert iam("GetRole", RoleName="r")["Role"]["RoleLastUsed"]["Region"] == "eu-west-1"
        iam("DeleteRole", RoleName="r")
        assert iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=trusting)["Role"]["RoleLastUsed"] == {}

    def test_keys_of_others_are_not_told_from_none(self, cloud):
        """AccessDenied for both."""
        bob = cloud.user("bob")
        for key in (bob.access_key_id, "AKIANOBODYNOBODYNOBO"):
            with pytest.raises(AccessDenied, match=f"access key {key}"):
                cloud.run_as(callers.root("999999999999"), "iam", "GetAccessKeyLastUsed", AccessKeyId=key)
