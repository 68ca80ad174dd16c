"""Action, Resource and their negations, wildcards, policy variables."""

import pytest

from pilvi.identity.documents import BadDocument, compile_policy
from pilvi.identity.matching import Patterns
from pilvi.identity.patterns import arn_like, tokens
from policies import BOB, HERE, PHOTO, SESSION, allow, allowed, deny, policy


@pytest.mark.parametrize(
    ("action", "matches"),
    [
        ("*", True),
        ("s3:*", True),
        ("s3:GetObject", True),
        ("S3:getobject", True),
        ("s3:Get*", True),
        ("s3:*Object", True),
        ("s3:?etObject", True),
        ("s3:G*t*t", True),
        ("s3:GetObject?", False),
        ("s3:Put*", False),
        ("s3", False),
        ("sqs:*", False),
    ],
)
def test_actions_match_without_case_and_with_wildcards(action, matches):
    """Service prefix and action are one text; * is any run, ? one character."""
    assert allowed(allow(action)) is matches
    assert allowed(allow(["iam:GetUser", action])) is matches
    assert allowed({"Effect": "Allow", "NotAction": action, "Resource": "*"}) is not matches


@pytest.mark.parametrize(
    ("resource", "matches"),
    [
        ("*", True),
        (PHOTO, True),
        ("arn:aws:s3:::photos/*", True),
        ("arn:aws:s3:::*/cat.jpg", True),
        ("arn:aws:s3:::photos/?/cat.???", True),
        ("arn:aws:s3:*", True),
        ("arn:*:s3:*:*:photos/*", True),
        ("arn:aws:s3:::PHOTOS/*", False),
        ("arn:aws:s3:::photos", False),
        ("arn:aws:s3:::photos/?", False),
        ("arn:aws:s3:::photos/a", False),
        ("arn:aws:sqs:::photos/*", False),
    ],
)
def test_resources_match_with_case_and_with_wildcards(resource, matches):
    """The whole ARN must match."""
    assert allowed(allow(resource=resource)) is matches
    assert allowed({"Effect": "Allow", "Action": "*", "NotResource": resource}) is not matches


def test_a_star_inside_a_segment_stays_in_it():
    """In the first five segments of an ARN; one that ends its segment may run over colons (IAM User Guide, Resource)."""

    def matches(pattern, text):
        return Patterns([pattern], arns=True).match(text, dict)

    assert matches("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q")
    assert not matches("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-a:b-1:1:q")
    assert not matches("arn:aws:iam::1*9:role/x", "arn:aws:iam::12:role/9:role/x")
    assert matches("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:1:q")
    assert matches("arn:aws:logs:*:*:log-group:/a/*:*", "arn:aws:logs:eu-west-1:1:log-group:/a/b:log-stream:c")
    assert matches("arn:aws:s3:::b/x*y", "arn:aws:s3:::b/x:1:2:y")


def test_hostile_patterns_stay_cheap():
    """Many stars over a long name that almost matches: linear work, not a day of backtracking."""
    pattern = "arn:aws:s3:::b/" + "*a" * 400 + "b"
    assert not Patterns([pattern], arns=True).match("arn:aws:s3:::b/" + "a" * 1000, dict)
    segment = "arn:aws:s3:" + "*a" * 200 + "b:1:x"
    assert not Patterns([segment], arns=True).match("arn:aws:s3:" + "a" * 1000 + ":1:x", dict)


def test_a_check_without_resource_needs_a_star():
    """Actions that have no resource are allowed by Resource * only."""
    assert allowed(allow("s3:ListAllMyBuckets"), action="s3:ListAllMyBuckets", resource="*")
    assert not allowed(allow("s3:ListAllMyBuckets", PHOTO), action="s3:ListAllMyBuckets", resource="*")


class TestVariables:
    OWN = "arn:aws:s3:::photos/${aws:username}/*"

    def test_a_resource_may_name_the_caller(self):
        """Everyone gets a folder of their own with one policy."""
        assert allowed(allow(resource=self.OWN), resource="arn:aws:s3:::photos/bob/x")
        assert not allowed(allow(resource=self.OWN), resource="arn:aws:s3:::photos/alice/x")

    def test_names_of_variables_have_no_case(self):
        """${AWS:UserName} is ${aws:username}."""
        assert allowed(allow(resource="arn:aws:s3:::photos/${AWS:UserName}/*"), resource="arn:aws:s3:::photos/bob/x")

    def test_a_variable_without_value_matches_nothing(self):
        """A role session has no user name."""
        assert not allowed(allow(resource=self.OWN), caller=SESSION, resource="arn:aws:s3:::photos/bob/x")
        assert not allowed(allow(resource=self.OWN), caller=SESSION, resource="arn:aws:s3:::photos/${aws:username}/x")

    def test_a_default_stands_in(self):
        """${key, 'default'}."""
        shared = allow(resource="arn:aws:s3:::photos/${aws:username, 'everyone'}/*")
        assert allowed(shared, caller=SESSION, resource="arn:aws:s3:::photos/everyone/x")
        assert not allowed(shared, resource="arn:aws:s3:::photos/everyone/x")

    @pytest.mark.parametrize("sign", ["*", "?", "$"])
    def test_signs_can_be_meant_literally(self, sign):
        """${*}, ${?} and ${$}."""
        literal = allow(resource=f"arn:aws:s3:::photos/${{{sign}}}")
        assert allowed(literal, resource=f"arn:aws:s3:::photos/{sign}")
        assert not allowed(literal, resource="arn:aws:s3:::photos/a")

    def test_a_wildcard_in_a_value_is_text(self):
        """A tag of value * does not open everything."""
        tagged = allow(resource="arn:aws:s3:::photos/${aws:PrincipalTag/team}/*")
        starred = {"request": {"aws:PrincipalTag/team": "*"}}
        assert not allowed(tagged, resource="arn:aws:s3:::photos/red/x", **starred)
        assert allowed(tagged, resource="arn:aws:s3:::photos/*/x", **starred)

    def test_the_old_version_knows_no_variables(self):
        """Before 2012-10-17 the text is meant as it stands."""
        old = {"version": "2008-10-17"}
        assert not allowed(allow(resource=self.OWN), resource="arn:aws:s3:::photos/bob/x", **old)
        assert allowed(allow(resource=self.OWN), resource="arn:aws:s3:::photos/${aws:username}/x", **old)

    def test_conditions_may_compare_two_keys(self):
        """Attribute-based access: the caller's tag must equal the resource's."""
        same = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
        tags = {"aws:PrincipalTag/team": "red"}
        assert allowed(allow(Condition=same), request={**tags, "aws:ResourceTag/team": "red"})
        assert not allowed(allow(Condition=same), request={**tags, "aws:ResourceTag/team": "blue"})
        assert not allowed(allow(Condition=same), request={"aws:ResourceTag/team": "red"})

    def test_a_deny_on_unequal_tags_holds_for_the_untagged(self):
        """A variable without value equals nothing, so StringNotEquals is satisfied."""
        guard = deny(Condition={"StringNotEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})
        assert not allowed(allow(), guard, request={"aws:ResourceTag/team": "red"})


def test_a_caller_cannot_pretend_its_own_keys():
    """Keys of the principal come from the credentials, whatever the request brings along."""
    lies = {"aws:username": "alice", "aws:PrincipalAccount": "999999999999", "aws:userid": "x"}
    assert not allowed(allow(Condition={"StringEquals": {"aws:username": "alice"}}), request=lies)
    assert not allowed(allow(Condition={"StringEquals": {"aws:PrincipalAccount": "999999999999"}}), request=lies)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aws:username", "bob"),
        ("aws:userid", BOB.user_id),
        ("aws:PrincipalArn", BOB.arn),
        ("aws:PrincipalAccount", HERE),
        ("aws:PrincipalType", "User"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:ResourceAccount", HERE),
        ("aws:CurrentTime", "2026-09-21T14:13:20Z"),
        ("aws:EpochTime", "1790000000"),
    ],
)
def test_keys_of_every_request(key, value):
    """What the engine knows by itself, under AWS's names."""
    assert allowed(allow(Condition={"StringEquals": {key: value}}))
    assert allowed(allow(Condition={"StringEquals": {key.upper(): value}}))


def test_the_principal_of_a_session_is_its_role():
    """aws:PrincipalArn of an assumed role names the role, not the session."""
    assert allowed(allow(Condition={"ArnEquals": {"aws:PrincipalArn": SESSION.identity_arn}}), caller=SESSION)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"Statement": [{}]}', '{"Statement": [1]}', '{"Statement":'])
def test_what_is_no_policy_does_not_compile(text):
    """Documents are validated before; one that slipped through fails closed."""
    with pytest.raises(BadDocument):
        compile_policy(text)


def test_one_statement_may_stand_without_a_list():
    """As may every action, resource and condition value."""
    bare = compile_policy(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "a:B", "Resource": "*"}}'
    )
    assert len(bare.statements) == 1


def test_which_statements_speak_about_an_action_is_remembered_in_bounds():
    """Asking for ever new actions does not fill the memory."""
    compiled = policy(allow("s3:*"))
    for number in range(3000):
        compiled.about(f"s3:action{number}")
    assert len(compiled._by_action) <= 1024


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("arn:aws:s3:::a*", "arn:aws:s3:::abc", True),
        ("arn:aws:*:*:*:*", "arn:aws:sns:eu-west-1:1:t", True),
        ("arn:aws:s3*", "arn:aws:s3:::abc", False),
        ("arn:aws:sns:*:t", "arn:aws:sns:eu-west-1:1:t", False),
        ("arn:aws:sns:?:1:t", "arn:aws:sns:x:1:t", True),
        ("not-an-arn", "not-an-arn", True),
    ],
)
def test_arn_like_compares_segment_by_segment(pattern, text, matches):
    """Each of the six parts by itself (condition operators page, ARN)."""
    assert arn_like(tuple(tokens(pattern)), text) is matches
