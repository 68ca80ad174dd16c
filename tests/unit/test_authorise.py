"""Refusals in AWS's words, and the directory behind them."""

import pytest

from harness import ACCOUNT
from iam_harness import IamHarness
from pilvi.core import caller as callers
from pilvi.core.caller import Check
from pilvi.core.errors import AccessDenied
from pilvi.identity.authorise import judge, refusal
from pilvi.services.iam.records import Revision
from pilvi.services.iam.seed import seed_root_key, seed_user
from policies import BOB, HERE, NOBODY, PHOTO, SESSION, STRANGER, allow, deny, document


class OneUser:
    """A directory that knows one set of documents."""

    def __init__(self, *statements, boundary=None):
        self.found = [document(*statements)] if statements else [], boundary and document(boundary)

    def policies(self, tx, caller):
        return self.found


def words(caller, check, directory=None):
    decision = judge(None, directory or OneUser(), caller, check, {}, 0)
    assert not decision.allowed
    return str(refusal(caller, check, decision))


QUEUE = Check("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{HERE}:q", owner=HERE)


@pytest.mark.parametrize(
    ("directory", "caller", "ending"),
    [
        (OneUser(), BOB, "because no identity-based policy allows the sqs:SendMessage action"),
        (OneUser(allow(), deny("sqs:*")), BOB, "with an explicit deny in an identity-based policy"),
        (
            OneUser(allow(), boundary=allow("s3:*")),
            BOB,
            "because no permissions boundary allows the sqs:SendMessage action",
        ),
        (OneUser(allow(), boundary=deny()), BOB, "with an explicit deny in a permissions boundary"),
    ],
)
def test_a_refusal_says_who_what_and_why(directory, caller, ending):
    """As the troubleshooting page of the IAM User Guide shows it."""
    expected = (
        f"User: {caller.arn} is not authorized to perform: sqs:SendMessage on resource: {QUEUE.resource} {ending}"
    )
    assert words(caller, QUEUE, directory) == expected


def test_s3_quotes_the_resource():
    """And so do we."""
    expected = f'User: {BOB.arn} is not authorized to perform: s3:GetObject on resource: "{PHOTO}" because no identity-based policy allows the s3:GetObject action'
    assert words(BOB, Check("s3:GetObject", PHOTO, owner=HERE)) == expected


def test_strangers_learn_nothing():
    """S3 tells other accounts and the anonymous no more than Access Denied; others leave the reason out."""
    for caller in (STRANGER, NOBODY):
        assert words(caller, Check("s3:GetObject", PHOTO, owner=HERE)) == "Access Denied"
    assert words(STRANGER, QUEUE).endswith(QUEUE.resource)


def test_an_action_without_resource_names_none():
    """No `on resource`."""
    expected = f"User: {SESSION.arn} is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
    assert words(SESSION, Check("s3:ListAllMyBuckets")) == expected


def test_a_bucket_owner_is_never_locked_out():
    """The root can always read and take back a bucket policy that denies everyone."""
    closed = document(deny(Principal="*"))
    root = callers.root(HERE)
    for action in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        assert judge(None, OneUser(), root, Check(action, "arn:aws:s3:::b", HERE, closed), {}, 0).allowed
    assert not judge(None, OneUser(), root, Check("s3:GetObject", PHOTO, HERE, closed), {}, 0).allowed
    assert not judge(
        None, OneUser(), callers.root("1" * 12), Check("s3:PutBucketPolicy", PHOTO, HERE, closed), {}, 0
    ).allowed


class TestDirectory:
    @pytest.fixture
    def cloud(self, tmp_path):
        with IamHarness(tmp_path) as cloud:
            yield cloud

    def test_what_is_undone_is_not_remembered(self, cloud):
        """A change that another one reads and that is then undone leaves no trace in later answers."""
        bob = cloud.user("bob")

        class Undo(Exception):
            pass

        def attempt(tx):
            from pilvi import services

            ctx = cloud.context(tx)
            services.discover()["iam"].operations["PutUserPolicy"].run(
                ctx, {"UserName": "bob", "PolicyName": "p", "PolicyDocument": document(allow())}
            )
            assert cloud.identity.may(ctx.acting_as(bob), Check("s3:GetObject", PHOTO))
            raise Undo

        with pytest.raises(Undo):
            cloud.store.write(attempt)
        assert not cloud.may(bob, "s3:GetObject", PHOTO)
        cloud.run("iam", "CreateUser", UserName="other")
        assert not cloud.may(bob, "s3:GetObject", PHOTO)

    def test_an_old_snapshot_sees_old_policies(self, cloud):
        """While a newer one sees the new ones, in any order of asking."""
        bob = cloud.user("bob")
        with cloud.store.read() as before:
            old = cloud.context(before, bob)
            check = Check("s3:GetObject", PHOTO)
            assert not cloud.identity.may(old, check)
            cloud.allow("bob", allow("s3:*"))
            assert cloud.may(bob, "s3:GetObject", PHOTO)
            assert not cloud.identity.may(old, check)
            assert cloud.may(bob, "s3:GetObject", PHOTO)

    def test_seeds_can_be_sown_again(self, cloud):
        """The second time changes nothing; another secret for the same key replaces it."""

        def sow(secret="s" * 40):
            def attempt(tx):
                seed_root_key(tx, ACCOUNT, "AKIAROOT", secret, cloud.clock.now_ms())
                seed_user(tx, cloud.ids, "999999999999", "Main", "AKIAMAIN", secret, cloud.clock.now_ms())
                return tx[Revision].get("iam")

            return cloud.store.write(attempt)

        first = sow()
        assert sow() == first
        assert cloud.caller_of("AKIAROOT").kind == "root"
        main = cloud.caller_of("AKIAMAIN")
        assert main.arn == "arn:aws:iam::999999999999:user/Main"
        assert cloud.may(main, "s3:GetObject", PHOTO)
        assert sow("t" * 40) != first
        with cloud.store.read() as tx:
            assert cloud.identity.authenticate(tx, "AKIAMAIN", None, 0).secret == "t" * 40

    def test_unknown_keys_are_refused(self, cloud):
        """Nobody's key."""
        from pilvi.identity.authenticate import AuthenticationFailed

        with pytest.raises(AuthenticationFailed, match="unknown key"):
            cloud.caller_of("AKIANOBODY")

    def test_refusals_reach_the_caller(self, cloud):
        """As AccessDenied."""
        bob = cloud.user("bob")
        with pytest.raises(
            AccessDenied,
            match=f"User: {bob.arn} is not authorized to perform: iam:ListUsers on resource: arn:aws:iam::{ACCOUNT}:user/ because",
        ):
            cloud.run_as(bob, "iam", "ListUsers")
