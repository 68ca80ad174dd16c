"""Users, their access keys and groups: what IAM keeps, refuses and forgets, in AWS's words."""

import pytest

from harness import ACCOUNT
from iam_harness import ADMIN, READ, READ_ONLY, new_policy
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied, ValidationError
from pilvi.services.iam.errors import (
    DeleteConflict,
    EntityAlreadyExists,
    LimitExceeded,
    NoSuchEntity,
)
from policies import allow, document


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
        iam("AttachGroupPolicy", GroupName="g", PolicyArn=new_policy(iam, text=document(allow("sqs:*"))))
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
