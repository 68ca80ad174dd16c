"""The order in which policies decide, case by case as the evaluation logic page of the IAM User Guide tells it."""

import pytest

from pilvi.core.caller import Caller, service
from policies import BOB, HERE, NOBODY, PHOTO, ROOT, S3, SESSION, STRANGER, THERE, allow, allowed, deny, judge

EVERYONE = {"Principal": "*"}
ACCOUNT = {"Principal": {"AWS": HERE}}
THE_USER = {"Principal": {"AWS": BOB.arn}}
THE_ROLE = {"Principal": {"AWS": SESSION.identity_arn}}
THE_SESSION = {"Principal": {"AWS": SESSION.arn}}
OTHER_ACTION = allow("s3:ListBucket")


class TestOneAccount:
    def test_nothing_is_allowed_by_default(self):
        """Without any policy a user is denied, and the reason is that no own policy allows."""
        decision = judge()
        assert (decision.allowed, decision.explicit, decision.kind) == (False, False, "identity-based policy")

    def test_an_allow_of_the_caller_is_enough(self):
        """A resource without policy needs none."""
        assert allowed(allow("s3:GetObject", PHOTO))

    def test_an_explicit_deny_beats_every_allow(self):
        """Wherever the deny stands."""
        granting = {"by_resource": [allow(**THE_USER)], "boundary": [allow()], "session": [allow()]}
        assert allowed(allow(), **granting)
        assert not allowed(allow(), deny("s3:GetObject", Sid="No"), **granting)
        for kind, statement in (
            ("by_resource", deny(**EVERYONE)), ("boundary", deny()), ("session", deny()),
        ):  # fmt: skip
            decision = judge(allow(), **{**granting, kind: [*granting[kind], statement]})
            assert not decision.allowed
            assert decision.explicit

    def test_the_deciding_statement_is_named(self):
        """A decision carries the Sid of the statement that made it, and the kind of its policy."""
        denied = judge(allow(), deny("s3:*", Sid="NoS3"))
        assert (denied.sid, denied.kind) == ("NoS3", "identity-based policy")
        granted = judge(by_resource=[allow(Sid="ForBob", **THE_USER)])
        assert (granted.sid, granted.kind) == ("ForBob", "resource-based policy")

    def test_the_root_needs_no_policy(self):
        """The root of an account may do everything in it, unless the resource's policy denies."""
        assert allowed(caller=ROOT)
        assert not allowed(caller=ROOT, by_resource=[deny(**EVERYONE)])
        assert not allowed(caller=ROOT, by_resource=[deny(Principal={"AWS": f"arn:aws:iam::{HERE}:root"})])

    @pytest.mark.parametrize("principal", [THE_USER, EVERYONE, {"Principal": {"AWS": "*"}}])
    def test_a_resource_may_grant_a_user_directly(self, principal):
        """Neither missing own policies nor a boundary that does not allow stand against it."""
        assert allowed(by_resource=[allow(**principal)])
        assert allowed(by_resource=[allow(**principal)], boundary=[OTHER_ACTION])

    def test_a_grant_to_the_account_only_delegates(self):
        """The account's administrator must pass it on by an own policy of the user."""
        assert not allowed(by_resource=[allow(**ACCOUNT)])
        assert allowed(allow(), by_resource=[allow(**ACCOUNT)])
        assert not allowed(allow(), by_resource=[allow(**ACCOUNT)], boundary=[OTHER_ACTION])

    def test_a_grant_to_a_role_is_narrowed(self):
        """By the boundary and by session policies, yet needs no own policy of the role."""
        assert allowed(caller=SESSION, by_resource=[allow(**THE_ROLE)])
        assert not allowed(caller=SESSION, by_resource=[allow(**THE_ROLE)], boundary=[OTHER_ACTION])
        assert not allowed(caller=SESSION, by_resource=[allow(**THE_ROLE)], session=[OTHER_ACTION])

    def test_a_grant_to_a_session_is_not_narrowed(self):
        """It goes to the very session that asks."""
        narrowed = {"boundary": [OTHER_ACTION], "session": [OTHER_ACTION]}
        assert allowed(caller=SESSION, by_resource=[allow(**THE_SESSION)], **narrowed)
        assert allowed(caller=SESSION, by_resource=[allow(**EVERYONE)], **narrowed)

    def test_a_boundary_gives_nothing_and_limits(self):
        """Own policies and boundary must both allow."""
        assert not allowed(boundary=[allow()])
        assert allowed(allow(), boundary=[allow("s3:Get*")])
        decision = judge(allow(), boundary=[OTHER_ACTION])
        assert (decision.allowed, decision.kind) == (False, "permissions boundary")

    def test_session_policies_only_narrow(self):
        """The role's policies and one of the session's must both allow."""
        assert not allowed(caller=SESSION, session=[allow()])
        assert allowed(allow(), caller=SESSION, session=[allow("s3:Get*")])
        decision = judge(allow(), caller=SESSION, session=[OTHER_ACTION])
        assert (decision.allowed, decision.kind) == (False, "session policy")

    def test_session_policies_narrow_the_root_as_well(self):
        """A session of the root with a policy may do what the policy allows."""
        assert not allowed(caller=ROOT, session=[OTHER_ACTION])
        assert allowed(caller=ROOT, session=[allow("s3:GetObject")])

    def test_a_grant_to_someone_else_is_none(self):
        """Another user of the same account gains nothing."""
        other = {"Principal": {"AWS": f"arn:aws:iam::{HERE}:user/alice"}}
        assert not allowed(by_resource=[allow(**other)])

    def test_the_most_direct_grant_counts(self):
        """Statements to the account and to the user may stand in one policy, in any order."""
        both = [allow(**ACCOUNT), allow(**THE_USER)]
        assert allowed(by_resource=both)
        assert allowed(by_resource=both[::-1])

    def test_an_unsatisfied_direct_grant_leaves_the_others(self):
        """A statement whose conditions fail is as good as absent."""
        failing = allow(**THE_USER, Condition={"StringEquals": {"aws:username": "alice"}})
        assert not allowed(by_resource=[failing])
        assert allowed(allow(), by_resource=[failing, allow(**ACCOUNT)])


class TestKeys:
    """Where the resource's policy is the root of authority, as that of a KMS key is."""

    def asked(self, *identity, by_policy=(), **more):
        return allowed(*identity, by_resource=list(by_policy), policy_decides=True, **more)

    def test_own_policies_alone_do_not_help(self):
        """Neither a user's, nor being the root."""
        assert not self.asked(allow())
        assert not self.asked(caller=ROOT)
        assert not self.asked(allow(), caller=SESSION)
        assert not self.asked(allow(), by_policy=[allow(Principal={"AWS": THERE})])

    def test_the_policy_can_leave_it_to_the_account(self):
        """Then own policies decide, and the root may everything."""
        assert self.asked(allow(), by_policy=[allow(**ACCOUNT)])
        assert not self.asked(by_policy=[allow(**ACCOUNT)])
        assert self.asked(caller=ROOT, by_policy=[allow(**ACCOUNT)])
        assert not self.asked(allow(), by_policy=[allow("s3:ListBucket", **ACCOUNT)])

    def test_a_grant_is_as_good_as_the_policy(self):
        """It names a user, a session, a role or an account, each as directly as a statement would."""
        assert self.asked(grantees=(BOB.arn,))
        assert self.asked(grantees=(BOB.arn,), boundary=[OTHER_ACTION])
        assert self.asked(caller=SESSION, grantees=(SESSION.arn,))
        assert self.asked(caller=SESSION, grantees=(SESSION.identity_arn,))
        assert not self.asked(caller=SESSION, grantees=(SESSION.identity_arn,), session=[OTHER_ACTION])
        assert not self.asked(grantees=(f"arn:aws:iam::{HERE}:root",))
        assert self.asked(allow(), grantees=(f"arn:aws:iam::{HERE}:root",))
        assert self.asked(caller=S3, grantees=("s3.amazonaws.com",))
        assert not self.asked(caller=S3, grantees=("lambda.amazonaws.com",))
        assert not self.asked(grantees=(STRANGER.arn,))

    def test_a_deny_is_stronger_than_a_grant(self):
        """Wherever it stands."""
        assert not self.asked(deny(), grantees=(BOB.arn,))
        assert not self.asked(by_policy=[deny(**THE_USER)], grantees=(BOB.arn,))

    def test_a_stranger_needs_both_sides(self):
        """A grant to another account's user is of use to who is allowed at home."""
        assert not self.asked(caller=STRANGER, grantees=(STRANGER.arn,))
        assert self.asked(allow(), caller=STRANGER, grantees=(STRANGER.arn,))


class TestTrust:
    ROLE = f"arn:aws:iam::{HERE}:role/reader"

    def asked(self, *identity, trust, caller=BOB):
        return allowed(*identity, caller=caller, action="sts:AssumeRole", resource=self.ROLE, by_resource=trust)

    def test_own_policies_do_not_replace_trust(self):
        """Unlike other resources, a role must itself trust the caller."""
        assert not self.asked(allow(), trust=[])
        assert not self.asked(
            allow(), trust=[{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": THERE}}]
        )

    def test_trust_in_a_user_is_enough(self):
        """Within the account."""
        assert self.asked(trust=[{"Effect": "Allow", "Action": "sts:AssumeRole", **THE_USER}])

    def test_trust_in_the_account_needs_an_own_policy(self):
        """The account decides who of it may."""
        trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", **ACCOUNT}]
        assert not self.asked(trust=trust)
        assert self.asked(allow("sts:AssumeRole", self.ROLE), trust=trust)

    def test_a_service_is_trusted_by_its_principal(self):
        """lambda.amazonaws.com is not s3.amazonaws.com."""
        trust = [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]
        assert self.asked(trust=trust, caller=service("lambda.amazonaws.com", HERE))
        assert not self.asked(trust=trust, caller=S3)
        assert not self.asked(allow(), trust=trust)


class TestTwoAccounts:
    def test_both_sides_must_allow(self):
        """The stranger's own policies, and the resource's."""
        grant = [allow(Principal={"AWS": STRANGER.arn})]
        assert not allowed(allow(), caller=STRANGER)
        assert not allowed(allow(), caller=STRANGER, by_resource=[])
        assert not allowed(caller=STRANGER, by_resource=grant)
        assert allowed(allow(), caller=STRANGER, by_resource=grant)

    @pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": THERE}, {"AWS": f"arn:aws:iam::{THERE}:root"}])
    def test_the_resource_may_name_the_account_or_everyone(self, principal):
        """A direct grant to a user is not needed, and none of these replaces the stranger's own policies."""
        assert allowed(allow(), caller=STRANGER, by_resource=[allow(Principal=principal)])
        assert not allowed(caller=STRANGER, by_resource=[allow(Principal=principal)])

    def test_the_strangers_boundary_holds(self):
        """Across accounts even a direct grant is narrowed."""
        grant = [allow(Principal={"AWS": STRANGER.arn})]
        assert not allowed(allow(), caller=STRANGER, by_resource=grant, boundary=[OTHER_ACTION])

    def test_a_foreign_root_is_a_stranger(self):
        """Its own side allows everything, the resource must as well."""
        foreign = Caller("root", THERE, f"arn:aws:iam::{THERE}:root", THERE, f"arn:aws:iam::{THERE}:root")
        assert not allowed(caller=foreign)
        assert allowed(caller=foreign, by_resource=[allow(Principal={"AWS": THERE})])


class TestAnonymousAndServices:
    def test_the_anonymous_are_allowed_what_everyone_is(self):
        """A bucket policy with Principal * makes objects public; one that names accounts does not."""
        assert not allowed(caller=NOBODY)
        assert not allowed(caller=NOBODY, by_resource=[allow(**ACCOUNT)])
        assert allowed(caller=NOBODY, by_resource=[allow(**EVERYONE)])
        assert not allowed(caller=NOBODY, by_resource=[allow(**EVERYONE), deny(**EVERYONE)])

    def test_a_service_has_no_rights_of_its_own(self):
        """Only the resource's policy speaks for it."""
        invoke = {
            "caller": S3,
            "action": "lambda:InvokeFunction",
            "resource": f"arn:aws:lambda:eu-west-1:{HERE}:function:f",
        }
        assert not allowed(**invoke)
        assert not allowed(**invoke, by_resource=[allow(**ACCOUNT)])
        assert allowed(**invoke, by_resource=[allow(Principal={"Service": "s3.amazonaws.com"})])
        assert allowed(**invoke, by_resource=[allow(Principal={"Service": "*"})])
        assert not allowed(by_resource=[allow(Principal={"Service": "*"})])

    def test_a_service_brings_its_source(self):
        """aws:SourceArn and aws:SourceAccount guard against the confused deputy."""
        only = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"}, "StringEquals": {"aws:SourceAccount": HERE}}
        grant = allow(Principal={"Service": "s3.amazonaws.com"}, Condition=only)
        assert allowed(caller=S3, by_resource=[grant])
        assert not allowed(caller=service("s3.amazonaws.com", HERE, "arn:aws:s3:::other"), by_resource=[grant])
        assert not allowed(caller=service("s3.amazonaws.com", THERE, "arn:aws:s3:::photos"), by_resource=[grant])


class TestNotPrincipal:
    def test_a_deny_spares_only_who_is_listed_with_its_account(self):
        """Listing a user without the account denies it too: its account is not among the spared."""
        spared = deny(NotPrincipal={"AWS": [BOB.arn, f"arn:aws:iam::{HERE}:root"]})
        assert allowed(allow(), by_resource=[spared])
        assert not allowed(allow(), by_resource=[deny(NotPrincipal={"AWS": BOB.arn})])
        assert not allowed(allow(), caller=SESSION, by_resource=[spared])

    def test_a_session_must_be_listed_with_role_and_account(self):
        """All three of its layers."""
        layers = [SESSION.arn, SESSION.identity_arn, HERE]
        assert allowed(allow(), caller=SESSION, by_resource=[deny(NotPrincipal={"AWS": layers})])
        for missing in layers:
            rest = [layer for layer in layers if layer != missing]
            assert not allowed(allow(), caller=SESSION, by_resource=[deny(NotPrincipal={"AWS": rest})])

    def test_an_allow_reaches_everyone_else(self):
        """Also the anonymous, which is why nobody should write it."""
        grant = allow(NotPrincipal={"AWS": BOB.arn})
        assert allowed(caller=NOBODY, by_resource=[grant])
        assert not allowed(caller=BOB, by_resource=[grant])


class TestPrincipalForms:
    def test_unique_ids_name_users_and_roles(self):
        """AIDA... and AROA... stand for the entity, whatever its name is."""
        assert allowed(by_resource=[allow(Principal={"AWS": BOB.user_id})])
        role = [allow(Principal={"AWS": "AROAREADERREADER"})]
        assert allowed(caller=SESSION, by_resource=role)
        assert not allowed(caller=SESSION, by_resource=role, boundary=[OTHER_ACTION])

    def test_lists_name_several(self):
        """Any of them."""
        assert allowed(by_resource=[allow(Principal={"AWS": [THERE, BOB.arn], "Service": "s3.amazonaws.com"})])

    def test_a_federated_principal_is_no_user(self):
        """It is parsed, and means nobody of the cloud."""
        assert not allowed(by_resource=[allow(Principal={"Federated": "cognito-identity.amazonaws.com"})])
