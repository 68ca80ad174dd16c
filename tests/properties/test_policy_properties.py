"""Laws that every decision keeps, whatever the policies say."""

import fnmatch
import json
import re
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from pilvi.core.caller import Check
from pilvi.identity.documents import compile_policy
from pilvi.identity.matching import Patterns
from pilvi.identity.patterns import glob, tokens
from pilvi.identity.policy import Policies, decide
from pilvi.identity.question import Question
from pilvi.identity.validation import problem
from policies import BOB, HERE, NOBODY, ROOT, S3, SESSION, STRANGER, THERE, allowed, judge

ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "sts:AssumeRole"]
RESOURCES = ["arn:aws:s3:::photos/a", "arn:aws:s3:::photos/b", f"arn:aws:sqs:eu-west-1:{HERE}:q"]
CALLERS = [BOB, SESSION, ROOT, STRANGER, S3, NOBODY]
PRINCIPALS = [
    "*", {"AWS": "*"}, {"AWS": HERE}, {"AWS": THERE}, {"AWS": BOB.arn}, {"AWS": SESSION.arn},
    {"AWS": SESSION.identity_arn}, {"AWS": [STRANGER.arn, HERE]}, {"Service": "s3.amazonaws.com"},
]  # fmt: skip
CONDITIONS = [
    {},
    {"StringEquals": {"aws:username": "bob"}},
    {"StringNotLike": {"aws:username": "b*"}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}},
    {"ForAllValues:StringEqualsIfExists": {"aws:TagKeys": ["a"]}},
    {"Null": {"aws:username": "true"}},
]


@st.composite
def statements(draw, effects=("Allow", "Deny"), principal=False):
    statement = {
        "Effect": draw(st.sampled_from(effects)),
        draw(st.sampled_from(["Action", "NotAction"])): draw(st.sampled_from([*ACTIONS, "*", "s3:*", "s3:Get*"])),
        draw(st.sampled_from(["Resource", "NotResource"])): draw(
            st.sampled_from([*RESOURCES, "*", "arn:aws:s3:::photos/*", "arn:aws:s3:::photos/${aws:username}"])
        ),
        "Condition": draw(st.sampled_from(CONDITIONS)),
    }
    if principal:
        element = draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"]))
        statement[element] = draw(st.sampled_from(PRINCIPALS))
    return statement


own = st.lists(statements(), max_size=4)
resource = st.none() | st.lists(statements(principal=True), max_size=4)
narrowing = st.none() | st.lists(statements(), max_size=3)
questions = st.fixed_dictionaries(
    {
        "caller": st.sampled_from(CALLERS),
        "action": st.sampled_from(ACTIONS),
        "resource": st.sampled_from(RESOURCES),
        "by_resource": resource,
        "boundary": narrowing,
        "session": narrowing,
        "request": st.sampled_from(
            [{}, {"aws:SecureTransport": "true", "aws:TagKeys": ["a"]}, {"aws:TagKeys": ["b", "c"]}]
        ),
    }
)


@given(own, questions, statements(effects=("Deny",)))
def test_one_more_deny_never_allows_more(identity, question, denial):
    """Whatever was denied stays denied."""
    if allowed(*identity, denial, **question):
        assert allowed(*identity, **question)


@given(own, questions, statements(effects=("Deny",), principal=True))
def test_one_more_deny_of_the_resource_never_allows_more(identity, question, denial):
    """Nor does a deny in the resource's policy."""
    denied = {**question, "by_resource": [*(question["by_resource"] or []), denial]}
    if allowed(*identity, **denied):
        assert allowed(*identity, **{**question, "by_resource": question["by_resource"] or []})


@given(own, questions, statements(effects=("Allow",)))
def test_one_more_allow_never_denies(identity, question, grant):
    """Whatever was allowed stays allowed."""
    if allowed(*identity, **question):
        assert allowed(*identity, grant, **question)


@given(own, questions, statements(effects=("Allow",), principal=True))
def test_one_more_allow_of_the_resource_never_denies(identity, question, grant):
    """Nor does an allow in the resource's policy."""
    if allowed(*identity, **question):
        assert allowed(*identity, **{**question, "by_resource": [*(question["by_resource"] or []), grant]})


@given(own, questions, st.randoms(use_true_random=False))
def test_the_order_of_statements_means_nothing(identity, question, chance):
    """Neither in own policies nor in the resource's."""
    shuffled = chance.sample(identity, len(identity))
    by_resource = question["by_resource"]
    other = {**question, "by_resource": by_resource and chance.sample(by_resource, len(by_resource))}
    assert allowed(*identity, **question) == allowed(*shuffled, **other)


@given(own, questions)
def test_a_boundary_never_gives(identity, question):
    """Without it at least as much is allowed; the same holds for session policies."""
    if allowed(*identity, **question):
        assert allowed(*identity, **{**question, "boundary": None})
        assert allowed(*identity, **{**question, "session": None})


@given(own, questions)
def test_a_refusal_names_its_kind(identity, question):
    """An explicit deny is never reported as allowed, and every refusal has a source."""
    decision = judge(*identity, **question)
    assert not (decision.allowed and decision.explicit)
    assert decision.kind


alphabet = st.sampled_from("ab:/?*")
patterns = st.text(alphabet, max_size=12)
texts = st.text(st.sampled_from("ab:/"), max_size=14)


@given(patterns, texts)
@settings(max_examples=1000)
def test_wildcards_match_like_the_reference(pattern, text):
    """* and ? alone are special: fnmatch agrees when its own brackets cannot occur."""
    expected = re.fullmatch(fnmatch.translate(pattern), text) is not None
    assert (glob(tuple(tokens(pattern)))(text) is not None) == expected
    assert Patterns([pattern]).match(text, dict) == expected


@given(st.text(string.printable), st.text(string.printable))
def test_a_text_without_wildcards_matches_itself_alone(pattern, text):
    """No other sign is special, not even those of regular expressions."""
    plain = pattern.replace("*", "").replace("?", "")
    assert Patterns([plain]).match(plain, dict)
    assert Patterns([plain]).match(text, dict) == (plain == text)


@given(
    st.lists(st.sampled_from(["a", "b", "*", ":", "?"]), max_size=10).map("".join),
    st.lists(st.sampled_from("ab:"), max_size=12).map("".join),
)
@settings(max_examples=1000)
def test_stars_that_stay_in_their_segment_match_like_the_reference(pattern, text):
    """In ARNs: a star that does not end one of the first five segments does not pass a colon."""
    source = ""
    for place, sign in enumerate(pattern):
        if sign == "*":
            following = pattern[place + 1 : place + 2]
            inner = pattern[:place].count(":") < 5 and following not in {"", ":"}
            source += "[^:]*" if inner else ".*"
        else:
            source += "." if sign == "?" else re.escape(sign)
    expected = re.fullmatch(source, text, re.DOTALL) is not None
    assert Patterns([pattern], arns=True).match(text, dict) == expected


leaves = st.sampled_from(
    [
        "*",
        "Allow",
        "Deny",
        "s3:*",
        "x",
        "",
        "2012-10-17",
        "arn:aws:s3:::b",
        "arn:",
        HERE,
        "true",
        "10.0.0.0/8",
        "${a",
        1,
        -0.5,
        True,
        None,
    ]
)
names = st.sampled_from(
    ["Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal",
     "NotPrincipal", "Condition", "AWS", "Service", "StringEquals", "ForAnyValue:ArnLike", "IpAddress", "aws:x", "s3:y"]
)  # fmt: skip
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
rough = st.fixed_dictionaries(
    {"Version": st.just("2012-10-17") | anything, "Statement": st.lists(
        st.fixed_dictionaries(
            {"Effect": st.sampled_from(["Allow", "Deny"]) | anything},
            optional={
                "Sid": anything, "Action": st.just("s3:*") | anything, "NotAction": anything,
                "Resource": st.just("*") | anything, "NotResource": anything, "Condition": anything,
                "Principal": st.just("*") | anything, "NotPrincipal": anything,
            },
        ), max_size=2)}
)  # fmt: skip


@given(rough | anything, st.sampled_from(["identity", "resource", "trust"]))
@settings(max_examples=600)
def test_whatever_passes_validation_compiles_and_decides(source, use):
    """Validation never fails itself, and what it lets through can be asked."""
    text = json.dumps(source)
    if problem(text, use) is None:
        compiled = compile_policy(text)
        for caller in CALLERS:
            check = Check(ACTIONS[0], RESOURCES[0], owner=HERE)
            decide(Question(caller, check, {}, 0), Policies(identity=(compiled,), resource=compiled))
