"""Sessions: who may have one, what it may do, when it ends."""

import json

import pytest

from harness import ACCOUNT
from iam_harness import IamHarness
from pilvi.core import caller as callers
from pilvi.core.errors import AccessDenied, NotBuilt, ValidationError
from pilvi.identity.authenticate import AuthenticationFailed, Problem
from pilvi.services.sts.errors import InvalidParameterValue, MalformedPolicyDocument, PackedPolicyTooLarge
from policies import allow, deny, document

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
OTHER = "999999999999"


def trust(principal, **more):
    return document(
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Principal": principal,
            **more,
        }
    )


@pytest.fixture
def cloud(tmp_path):
    with IamHarness(tmp_path) as cloud:
        yield cloud


def make_role(cloud, principal, *statements, name="r", condition=None, **more):
    text = trust(principal, **({"Condition": condition} if condition else {}))
    made = cloud.run("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=text, **more)["Role"]
    if statements:
        cloud.run("iam", "PutRolePolicy", RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    return made["Arn"]


class TestAssumeRole:
    def test_a_session_has_the_roles_permissions(self, cloud):
        """Not those of who assumed it; its names are AWS's."""
        bob = cloud.user("bob", allow("sqs:*"))
        make_role(cloud, {"AWS": bob.arn}, allow("s3:Get*"))
        session = cloud.session(bob, ROLE, "work")
        assert session.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/work"
        assert session.user_id.endswith(":work")
        assert cloud.may(session, "s3:GetObject")
        assert not cloud.may(session, "sqs:SendMessage")

    def test_the_answer_is_awss(self, cloud):
        """Credentials that expire when they say."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        made = cloud.run_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s1", DurationSeconds=900)
        credentials = made["Credentials"]
        assert credentials["AccessKeyId"].startswith("ASIA")
        assert credentials["Expiration"].timestamp() * 1000 == cloud.clock.now_ms() + 900_000
        assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s1"
        assert "PackedPolicySize" not in made
        cloud.clock.advance(899_999)
        cloud.caller_of(credentials["AccessKeyId"], credentials["SessionToken"])
        cloud.clock.advance(1)
        with pytest.raises(AuthenticationFailed) as failed:
            cloud.caller_of(credentials["AccessKeyId"], credentials["SessionToken"])
        assert failed.value.problem is Problem.EXPIRED_TOKEN

    def test_a_temporary_key_needs_its_token(self, cloud):
        """Alone it is nobody's; with a damaged token it is refused."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        made = cloud.run_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s1")["Credentials"]
        for token, problem in ((None, Problem.UNKNOWN_KEY), ("x" + made["SessionToken"], Problem.BAD_TOKEN)):
            with pytest.raises(AuthenticationFailed) as failed:
                cloud.caller_of(made["AccessKeyId"], token)
            assert failed.value.problem is problem

    def test_who_is_not_trusted_is_refused(self, cloud):
        """Own policies do not help, and a missing role answers the same."""
        bob, eve = cloud.user("bob"), cloud.user("eve", allow("*"))
        make_role(cloud, {"AWS": bob.arn})
        for role in (ROLE, f"arn:aws:iam::{ACCOUNT}:role/missing", f"arn:aws:iam::{ACCOUNT}:role/path/r"):
            with pytest.raises(
                AccessDenied, match=f"User: {eve.arn} is not authorized to perform: sts:AssumeRole on resource: {role}"
            ):
                cloud.session(eve, role)

    def test_the_root_assumes_no_role(self, cloud):
        """AWS forbids it to root accounts."""
        make_role(cloud, "*")
        with pytest.raises(AccessDenied, match="Roles may not be assumed by root accounts"):
            cloud.session(callers.root(ACCOUNT), ROLE)

    def test_trust_in_the_account_needs_an_own_policy(self, cloud):
        """sts:AssumeRole on this role."""
        make_role(cloud, {"AWS": ACCOUNT})
        bob = cloud.user("bob")
        with pytest.raises(AccessDenied, match="because no identity-based policy allows the sts:AssumeRole action"):
            cloud.session(bob, ROLE)
        cloud.allow("bob", allow("sts:AssumeRole", ROLE))
        assert cloud.session(bob, ROLE)

    def test_across_accounts_both_must_agree(self, cloud):
        """The role's trust, and the stranger's own account."""
        eve = cloud.user("eve", account=OTHER)
        make_role(cloud, {"AWS": OTHER}, allow("s3:*"))
        with pytest.raises(AccessDenied):
            cloud.session(eve, ROLE)
        cloud.allow("eve", allow("sts:AssumeRole"), account=OTHER)
        session = cloud.session(eve, ROLE)
        assert session.account == ACCOUNT
        assert cloud.may(session, "s3:GetObject")

    def test_an_external_id_can_be_demanded(self, cloud):
        """sts:ExternalId, against the confused deputy."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, condition={"StringEquals": {"sts:ExternalId": "42"}})
        for more in ({}, {"ExternalId": "41"}):
            with pytest.raises(AccessDenied):
                cloud.session(bob, ROLE, **more)
        assert cloud.session(bob, ROLE, ExternalId="42")

    def test_the_session_name_can_be_demanded(self, cloud):
        """sts:RoleSessionName against ${aws:username}."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, condition={"StringLike": {"sts:RoleSessionName": "${aws:username}"}})
        with pytest.raises(AccessDenied):
            cloud.session(bob, ROLE, "alice")
        assert cloud.session(bob, ROLE, "bob")

    def test_a_service_gets_a_session(self, cloud):
        """When the role trusts its principal."""
        make_role(cloud, {"Service": "lambda.amazonaws.com"}, allow("logs:*"))
        session = cloud.session(callers.service("lambda.amazonaws.com", ACCOUNT), ROLE, "f")
        assert cloud.may(session, "logs:PutLogEvents")
        with pytest.raises(AccessDenied):
            cloud.session(callers.service("s3.amazonaws.com", ACCOUNT), ROLE, "f")

    def test_durations(self, cloud):
        """An hour by default, the role's maximum at most, an hour at most when roles are chained."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, allow("sts:*"), MaxSessionDuration=7200)
        make_role(cloud, {"AWS": ROLE}, name="next", MaxSessionDuration=7200)
        session = cloud.session(bob, ROLE, DurationSeconds=7200)
        assert session.session_expires_ms == cloud.clock.now_ms() + 7_200_000
        assert cloud.session(bob, ROLE).session_expires_ms == cloud.clock.now_ms() + 3_600_000
        with pytest.raises(ValidationError, match="exceeds the MaxSessionDuration set for this role"):
            cloud.session(bob, ROLE, DurationSeconds=7201)
        following = ROLE.replace("role/r", "role/next")
        with pytest.raises(ValidationError, match="1 hour session limit for roles assumed by role chaining"):
            cloud.session(session, following, DurationSeconds=3601)
        assert cloud.session(session, following).arn.endswith("assumed-role/next/s1")

    def test_a_session_ends_with_its_role(self, cloud):
        """Also when another role of that name comes after it."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        made = cloud.run_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s1")["Credentials"]
        cloud.caller_of(made["AccessKeyId"], made["SessionToken"])
        cloud.run("iam", "DeleteRole", RoleName="r")
        for _ in range(2):
            with pytest.raises(AuthenticationFailed) as failed:
                cloud.caller_of(made["AccessKeyId"], made["SessionToken"])
            assert failed.value.problem is Problem.UNKNOWN_KEY
            if _ == 0:
                make_role(cloud, {"AWS": bob.arn})

    def test_old_sessions_can_be_revoked(self, cloud):
        """By denying what was issued before: the policy that AWS's console attaches."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, allow("s3:*"))
        old = cloud.session(bob, ROLE)
        cloud.clock.advance(60_000)
        cut = deny(Condition={"DateLessThan": {"aws:TokenIssueTime": "2026-09-21T14:14:00Z"}})
        cloud.run("iam", "PutRolePolicy", RoleName="r", PolicyName="revoke", PolicyDocument=document(cut))
        assert not cloud.may(old, "s3:GetObject")
        assert cloud.may(cloud.session(bob, ROLE), "s3:GetObject")

    def test_no_device_has_a_code(self, cloud):
        """MFA devices are not built, so no code is right."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        with pytest.raises(AccessDenied, match="MultiFactorAuthentication failed"):
            cloud.session(bob, ROLE, SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/bob", TokenCode="123456")


class TestSessionPolicies:
    def test_they_narrow(self, cloud):
        """Inline and managed ones; together they allow what either allows."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, allow("*"))
        session = cloud.session(
            bob,
            ROLE,
            Policy=document(allow("s3:Get*")),
            PolicyArns=[{"arn": "arn:aws:iam::aws:policy/AmazonSQSFullAccess"}],
        )
        assert [cloud.may(session, action) for action in ("s3:GetObject", "sqs:SendMessage", "s3:PutObject")] == [
            True,
            True,
            False,
        ]

    def test_they_must_be_policies_that_exist(self, cloud):
        """Malformed, missing, too many."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        with pytest.raises(MalformedPolicyDocument):
            cloud.session(bob, ROLE, Policy="{}")
        with pytest.raises(ValidationError):
            cloud.session(bob, ROLE, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/Missing"}])
        with pytest.raises(ValidationError):
            cloud.session(bob, ROLE, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 11)

    def test_they_have_a_packed_size(self, cloud):
        """Told as a percentage, and refused above a hundred."""
        import random

        chance = random.Random(1)
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        small = cloud.run_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s1", Policy=document(allow()))
        assert 0 < small["PackedPolicySize"] < 10
        noise = [f"arn:aws:s3:::{chance.randbytes(30).hex()}" for _ in range(200)]
        with pytest.raises(PackedPolicyTooLarge, match="% of allotted space"):
            cloud.session(bob, ROLE, Policy=document(allow("s3:*", noise)))


class TestSessionTags:
    def test_tags_are_the_principals(self, cloud):
        """Those of the session in place of the role's."""
        bob = cloud.user("bob")
        role_tags = [{"Key": "Team", "Value": "red"}, {"Key": "cost", "Value": "1"}]
        make_role(cloud, {"AWS": bob.arn}, Tags=role_tags)
        session = cloud.session(bob, ROLE, Tags=[{"Key": "team", "Value": "blue"}])
        assert session.context["aws:PrincipalTag/team"] == "blue"
        assert session.context["aws:PrincipalTag/cost"] == "1"
        assert "aws:PrincipalTag/Team" not in session.context

    def test_to_tag_must_be_allowed(self, cloud):
        """sts:TagSession, by the trust policy."""
        bob = cloud.user("bob")
        text = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": bob.arn}},
            }
        )
        cloud.run("iam", "CreateRole", RoleName="r", AssumeRolePolicyDocument=text)
        assert cloud.session(bob, ROLE)
        with pytest.raises(AccessDenied, match="sts:TagSession"):
            cloud.session(bob, ROLE, Tags=[{"Key": "team", "Value": "blue"}])
        with pytest.raises(AccessDenied, match="sts:SetSourceIdentity"):
            cloud.session(bob, ROLE, SourceIdentity="bob")

    def test_transitive_tags_go_along_a_chain(self, cloud):
        """And cannot be set again on the way; the others stay behind."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, allow("sts:*"))
        following = make_role(cloud, {"AWS": ROLE}, name="next")
        tags = [{"Key": "team", "Value": "blue"}, {"Key": "x", "Value": "y"}]
        first = cloud.session(bob, ROLE, Tags=tags, TransitiveTagKeys=["Team"])
        second = cloud.session(first, following)
        assert second.context["aws:PrincipalTag/team"] == "blue"
        assert "aws:PrincipalTag/x" not in second.context
        with pytest.raises(InvalidParameterValue, match="conflicts with a transitive tag key"):
            cloud.session(first, following, Tags=[{"Key": "TEAM", "Value": "red"}])
        with pytest.raises(InvalidParameterValue):
            cloud.session(bob, ROLE, TransitiveTagKeys=["nothing"])
        with pytest.raises(InvalidParameterValue, match="Duplicate tag keys"):
            cloud.session(bob, ROLE, Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "1"}])

    def test_the_source_stays_along_a_chain(self, cloud):
        """Who it was at the beginning cannot be changed on the way."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn}, allow("sts:*"))
        following = make_role(cloud, {"AWS": ROLE}, name="next")
        first = cloud.session(bob, ROLE, SourceIdentity="bob")
        assert cloud.session(first, following).context["aws:SourceIdentity"] == "bob"


class TestOwnSessions:
    def test_a_session_token_is_the_user_again(self, cloud):
        """The same permissions, for half a day."""
        bob = cloud.user("bob", allow("s3:*"))
        made = cloud.run_as(bob, "sts", "GetSessionToken")["Credentials"]
        again = cloud.caller_of(made["AccessKeyId"], made["SessionToken"])
        assert (again.arn, again.user_id) == (bob.arn, bob.user_id)
        assert again.session_expires_ms == cloud.clock.now_ms() + 43_200_000
        assert cloud.may(again, "s3:GetObject")
        with pytest.raises(AccessDenied, match="Cannot call GetSessionToken with session credentials"):
            cloud.run_as(again, "sts", "GetSessionToken")

    def test_it_ends_with_the_user(self, cloud):
        """A deleted user's sessions are nobody's."""
        bob = cloud.user("bob")
        made = cloud.run_as(bob, "sts", "GetSessionToken")["Credentials"]
        cloud.run("iam", "DeleteAccessKey", UserName="bob", AccessKeyId=bob.access_key_id)
        assert cloud.caller_of(made["AccessKeyId"], made["SessionToken"])
        for name in cloud.run("iam", "ListUserPolicies", UserName="bob")["PolicyNames"]:
            cloud.run("iam", "DeleteUserPolicy", UserName="bob", PolicyName=name)
        cloud.run("iam", "DeleteUser", UserName="bob")
        with pytest.raises(AuthenticationFailed):
            cloud.caller_of(made["AccessKeyId"], made["SessionToken"])

    def test_the_roots_lasts_an_hour(self, cloud):
        """At most, whatever is asked for."""
        made = cloud.run("sts", "GetSessionToken", DurationSeconds=129_600)["Credentials"]
        session = cloud.caller_of(made["AccessKeyId"], made["SessionToken"])
        assert session.kind == "root"
        assert session.session_expires_ms == cloud.clock.now_ms() + 3_600_000

    @pytest.mark.parametrize("member", ["ProvidedContexts", "MinimumSessionTokenSize"])
    def test_what_is_not_built_is_refused(self, cloud, member):
        """A session that would be another one than AWS's is not handed out."""
        bob = cloud.user("bob")
        make_role(cloud, {"AWS": bob.arn})
        with pytest.raises(NotBuilt, match=member):
            cloud.run_as(bob, "sts", "AssumeRole", RoleArn=ROLE, RoleSessionName="s1", **{member: 1})
        with pytest.raises(NotBuilt, match=member):
            cloud.run_as(bob, "sts", "GetSessionToken", **{member: 1})

    def test_everyone_may_ask_who_he_is(self, cloud):
        """Even when a policy denies it."""
        bob = cloud.user("bob", deny("*"))
        shown = cloud.run_as(bob, "sts", "GetCallerIdentity")
        assert shown == {"UserId": bob.user_id, "Account": ACCOUNT, "Arn": bob.arn}
        assert cloud.run("sts", "GetCallerIdentity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
