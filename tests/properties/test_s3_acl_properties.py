"""Laws of access control lists, whatever grants, policies and settings say."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core.accounts import ANONYMOUS, canonical_id
from pilvi.core.caller import Caller, Check
from pilvi.identity.documents import compile_policy
from pilvi.identity.policy import Policies, decide
from pilvi.identity.question import Question
from pilvi.services.s3.access import bucket_check, object_check
from pilvi.services.s3.acls.rules import BUCKET_ACTIONS, NO_GRANTS, OF_OBJECT_OWNER
from pilvi.services.s3.policies.public import is_public
from pilvi.services.s3.records import Bucket, Grant, PublicAccess, StoredObject
from policies import BOB, HERE, NOBODY, ROOT, SESSION, STRANGER, THERE, allow, deny, document

NOW_MS = 1_790_000_000_000
LOGGING = Caller("service", HERE, "logging.s3.amazonaws.com", "logging.s3.amazonaws.com")
CALLERS = [BOB, SESSION, ROOT, STRANGER, NOBODY, LOGGING, msgspec.structs.replace(ROOT, account=THERE)]
ACTIONS = sorted(
    {*BUCKET_ACTIONS, *OF_OBJECT_OWNER, "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetBucketTagging"}
)
PRINCIPALS = ["*", {"AWS": HERE}, {"AWS": THERE}, {"CanonicalUser": canonical_id(THERE)}, {"AWS": BOB.arn}]

grants = st.builds(
    Grant,
    st.just("user"),
    st.sampled_from([canonical_id(HERE), canonical_id(THERE), canonical_id("")]),
    st.sampled_from(["full", "read", "write", "read_acl", "write_acl"]),
) | st.builds(
    Grant,
    st.just("group"),
    st.sampled_from(["everybody", "authenticated", "delivery"]),
    st.sampled_from(["full", "read", "write", "read_acl", "write_acl"]),
)
lists = st.lists(grants, max_size=4).map(tuple)
statements = st.builds(
    lambda effect, action, principal: effect(action, Principal=principal),
    st.sampled_from([allow, deny]),
    st.sampled_from([*ACTIONS, "*", "s3:Get*"]),
    st.sampled_from(PRINCIPALS),
)
own = st.lists(
    st.builds(
        lambda effect, action: effect(action), st.sampled_from([allow, allow, deny]), st.sampled_from(["*", *ACTIONS])
    ),
    max_size=3,
)
blocks = st.none() | st.builds(PublicAccess, *[st.booleans()] * 4)
worlds = st.fixed_dictionaries(
    {
        "caller": st.sampled_from(CALLERS),
        "action": st.sampled_from(ACTIONS),
        "ownership": st.sampled_from(["preferred", "writer", "unset"]),
        "of_bucket": lists,
        "of_object": lists,
        "owner": st.sampled_from(["", THERE, ANONYMOUS]),
        "there": st.booleans(),
        "policy": st.lists(statements, max_size=3),
        "own": own,
        "block": blocks,
    }
)


def check_of(world: dict[str, Any]) -> Check:
    """The question that a request of this world poses."""
    policy = document(*world["policy"]) if world["policy"] else ""
    bucket = Bucket(
        "photos", HERE, 1, "us-east-1", 0, policy, bool(policy) and is_public(policy), world["block"],
        ownership=world["ownership"], acl=world["of_bucket"],
    )  # fmt: skip
    found = StoredObject(
        bucket=1, key="a", size=0, modified_ms=0, etag="", owner=world["owner"], acl=world["of_object"]
    )
    ctx: Any = SimpleNamespace(caller=world["caller"], memo={(1, "a"): found if world["there"] else None})
    if "Object" in world["action"]:
        return object_check(ctx, bucket, "a", world["action"], {}, found if world["there"] else None)
    return bucket_check(ctx, bucket, world["action"], {})


def allowed(world: dict[str, Any]) -> bool:
    check, caller = check_of(world), world["caller"]
    identity = [compile_policy(document(*world["own"]))] if world["own"] and caller.kind in {"user", "role"} else []
    resource = None if check.policy is None else compile_policy(check.policy)
    return decide(Question(caller, check, {}, NOW_MS), Policies(identity, resource)).allowed


@given(worlds, statements)
def test_one_more_deny_never_allows_more(world: dict[str, Any], denial: dict[str, Any]) -> None:
    """Of the bucket's policy, or of the caller's own."""
    denial = {**denial, "Effect": "Deny"}
    mine = {name: value for name, value in denial.items() if name != "Principal"}
    if allowed({**world, "policy": [*world["policy"], denial]}) or allowed({**world, "own": [*world["own"], mine]}):
        assert allowed(world)


@given(worlds, st.data())
def test_removing_a_grant_never_allows_more(world: dict[str, Any], data: st.DataObject) -> None:
    """From the bucket's list or the object's; removing all of them neither."""
    which = data.draw(st.sampled_from(["of_bucket", "of_object"]))
    if world[which]:
        gone = data.draw(st.integers(0, len(world[which]) - 1))
        fewer = world[which][:gone] + world[which][gone + 1 :]
        for less in (fewer or NO_GRANTS, NO_GRANTS):
            if allowed({**world, which: less}):
                assert allowed(world)


@given(worlds)
def test_lists_never_allow_anything_where_they_do_not_count(world: dict[str, Any]) -> None:
    """In a bucket that owns everything the decision is the one without any list, and every object is the bucket's."""
    enforced = {**world, "ownership": ""}
    assert not check_of(enforced).granted
    assert check_of(enforced).owner == HERE
    assert allowed(enforced) == allowed({**enforced, "of_bucket": (), "of_object": (), "owner": ""})


@given(worlds)
def test_blocking_the_public_never_allows_more(world: dict[str, Any]) -> None:
    """Each of the settings that count when access is decided takes away, and never gives."""
    none = PublicAccess(block_acls=False, ignore_acls=False, block_policy=False, restrict=False)
    before = allowed({**world, "block": none})
    for more in ({"ignore_acls": True}, {"restrict": True}, {"ignore_acls": True, "restrict": True}):
        if allowed({**world, "block": msgspec.structs.replace(none, **more)}):
            assert before


@given(worlds)
def test_who_has_no_grant_and_no_policy_may_nothing(world: dict[str, Any]) -> None:
    """Strangers and the anonymous need one of the two; the anonymous' own objects are the anonymous' too."""
    bare = {**world, "of_bucket": (), "of_object": (), "policy": [], "owner": ""}
    if world["caller"].account != HERE:
        assert not allowed(bare)


@given(worlds)
def test_a_policy_never_opens_what_belongs_to_others(world: dict[str, Any]) -> None:
    """Statements that allow change nothing about objects of another account than the policy's author."""
    theirs = {**world, "owner": THERE, "there": True}
    if world["action"] in OF_OBJECT_OWNER and not (world["block"] and world["block"].restrict):
        denials = [one for one in world["policy"] if one["Effect"] == "Deny"]
        assert allowed(theirs) == allowed({**theirs, "policy": denials}), json.dumps(world["policy"])
