"""What is refused as MalformedPolicyDocument, and with which words."""

import json

import pytest

from pilvi.identity.documents import compile_policy
from pilvi.identity.validation import LEGACY, SYNTAX, VERSION, problem
from policies import HERE, allow, deny, document

TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
CONDITION = {"StringEquals": {"aws:username": "bob"}}


def without(statement, *names):
    return {name: value for name, value in statement.items() if name not in names}


@pytest.mark.parametrize(
    ("text", "use"),
    [
        (document(allow()), "identity"),
        (
            document(allow(["s3:Get*", "iam:?etUser"], ["arn:aws:s3:::b/*", "*"], Condition=CONDITION, Sid="A1")),
            "identity",
        ),
        (document({"Effect": "Deny", "NotAction": "iam:*", "NotResource": "arn:aws:iam::*:user/x"}), "identity"),
        (json.dumps({"Version": "2012-10-17", "Id": "mine", "Statement": allow()}), "identity"),
        (
            document(allow(Condition={"NumericLessThan": {"s3:max-keys": 10}, "Bool": {"aws:SecureTransport": True}})),
            "identity",
        ),
        (document(TRUST), "trust"),
        (
            document(
                {
                    **TRUST,
                    "Principal": {"AWS": [HERE, f"arn:aws:iam::{HERE}:root"]},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ),
            "trust",
        ),
        (
            document(
                {
                    **TRUST,
                    "Principal": {"Federated": "arn:aws:iam::1:saml-provider/x"},
                    "Action": "sts:AssumeRoleWithSAML",
                }
            ),
            "trust",
        ),
        (document({**TRUST, "Principal": "*"}, version="2008-10-17"), "trust"),
        (document(allow(Principal="*", Sid="any sign: of/S3")), "resource"),
        (document(deny(NotPrincipal={"AWS": f"arn:aws:iam::{HERE}:user/a/b"})), "resource"),
        (
            document(allow(Principal={"AWS": f"arn:aws:sts::{HERE}:assumed-role/r/s", "CanonicalUser": "abc"})),
            "resource",
        ),
    ],
)
def test_what_is_right_has_no_problem(text, use):
    """And compiles."""
    assert problem(text, use) is None
    compile_policy(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", SYNTAX),
        ("{", SYNTAX),
        ("[]", SYNTAX),
        ('"text"', SYNTAX),
        ('{"Version": "2012-10-17"}', SYNTAX),
        ('{"Version": "2012-10-17", "Statement": []}', SYNTAX),
        ('{"Version": "2012-10-17", "Statement": ["x"]}', SYNTAX),
        ('{"Version": "2012-10-17", "Statement": [], "Extra": 1}', SYNTAX),
        (document(allow(), version="2012-10-18"), SYNTAX),
        ('{"Version": ["2012-10-17"], "Statement": {}}', SYNTAX),
        (document(allow(), version="2008-10-17"), VERSION),
        (json.dumps({"Statement": allow()}), VERSION),
        (document({**allow(), "Effekt": "x"}), SYNTAX),
        (document(without(allow(), "Effect")), "Missing required field Effect"),
        (document({**allow(), "Effect": "allow"}), "Invalid effect: allow"),
        (document({**allow(), "Effect": ["Allow"]}), SYNTAX),
        (document(without(allow(), "Action")), "Policy statement must contain actions."),
        (document(allow([])), "Policy statement must contain actions."),
        (document(allow(1)), SYNTAX),
        (document({**allow(), "NotAction": "s3:*"}), SYNTAX),
        (document(allow("GetObject")), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (document(allow("s3:")), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (document(allow("s 3:Get")), "Vendor s 3 is not valid"),
        (document(allow("s3:Get:Object")), "Actions/Condition can contain only one colon."),
        (document(allow("s3:Get Object")), SYNTAX),
        (document(without(allow(), "Resource")), "Policy statement must contain resources."),
        (document(allow(resource=[])), "Policy statement must contain resources."),
        (document(allow(resource={})), SYNTAX),
        (document({**allow(), "NotResource": "*"}), SYNTAX),
        (document(allow(resource="photos")), 'Resource photos must be in ARN format or "*".'),
        (document(allow(resource="arn:aws:s3")), 'Resource arn:aws:s3 must be in ARN format or "*".'),
        (document(allow(resource="arn:amazon:s3:::b")), 'Partition "amazon" is not valid for resource "arn:amazon:s3:::b".'),
        (document(allow(Principal="*")), "Policy document should not specify a principal."),
        (document(allow(Sid="a b")), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
        (document(allow(Sid=1)), SYNTAX),
        (document(allow(Sid="A"), deny(Sid="A")), "Statement IDs (SID) in a single policy must be unique."),
        (document(allow(Condition=[])), SYNTAX),
        (document(allow(Condition={"StringEquals": "x"})), SYNTAX),
        (document(allow(Condition={"StringEquals": {"aws:username": {}}})), SYNTAX),
        (document(allow(Condition={"StringEquals": {"username": "x"}})), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        (document(allow(Condition={"StringSame": {"aws:username": "x"}})), "Invalid Condition type : StringSame."),
        (document(allow(Condition={"ForSome:StringEquals": {"aws:username": "x"}})), "Invalid Condition type : ForSome:StringEquals."),
        (document(allow(Condition={"NumericEquals": {"s3:max-keys": "many"}})), LEGACY),
        (document(allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}})), LEGACY),
        (document(allow(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})), LEGACY),
        ('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}}', SYNTAX),
    ],
)  # fmt: skip
def test_problems_of_identity_policies(text, words):
    """In IAM's words."""
    assert problem(text, "identity") == words


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (without(TRUST, "Principal"), "Missing required field Principal"),
        ({**TRUST, "Resource": "*"}, "Has prohibited field Resource"),
        ({**TRUST, "NotResource": "*"}, "Has prohibited field NotResource"),
        ({**TRUST, "Action": "s3:GetObject"}, "AssumeRole policy may only specify STS AssumeRole actions."),
        ({**TRUST, "Principal": "bob"}, 'Invalid principal in policy: "bob"'),
        ({**TRUST, "Principal": {"AWS": "arn:aws:iam::1:user/x"}}, 'Invalid principal in policy: "AWS":"arn:aws:iam::1:user/x"'),
        ({**TRUST, "Principal": {"AWS": f"arn:aws:iam::{HERE}:group/g"}}, f'Invalid principal in policy: "AWS":"arn:aws:iam::{HERE}:group/g"'),
        ({**TRUST, "Principal": {"Service": "lambda"}}, 'Invalid principal in policy: "Service":"lambda"'),
        ({**TRUST, "Principal": {"Aws": HERE}}, SYNTAX),
        ({**TRUST, "Principal": {}}, SYNTAX),
        ({**TRUST, "Principal": {"AWS": []}}, SYNTAX),
    ],
)  # fmt: skip
def test_problems_of_trust_policies(statement, words):
    """A trust policy names who, and no resource."""
    assert problem(document(statement), "trust") == words


def test_resource_policies_name_principal_and_resource():
    """Both are required."""
    assert problem(document(allow()), "resource") == "Missing required field Principal"
    assert (
        problem(document(without(allow(Principal="*"), "Resource")), "resource")
        == "Policy statement must contain resources."
    )


def test_hostile_documents_are_refused_quickly():
    """Deep nesting and broken escapes are syntax errors, not failures of ours."""
    assert problem("[" * 100_000, "identity") == SYNTAX
    assert problem('{"Statement": "\\ud800"}', "identity") == SYNTAX
    assert problem('{"a":' * 3000 + "1" + "}" * 3000, "identity") == SYNTAX
