"""The policy simulator answers as the requests themselves would be answered."""

import pytest

from harness import ACCOUNT
from iam_harness import READ
from pilvi.core.errors import NotBuilt
from pilvi.services.iam.errors import InvalidInput, NoSuchEntity
from policies import allow, deny, document

SQS = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"


def decisions(answer):
    return {
        (one["EvalActionName"], one["EvalResourceName"]): one["EvalDecision"] for one in answer["EvaluationResults"]
    }


class TestCustom:
    def test_each_action_on_each_resource(self, iam):
        """Allowed, denied by a statement, denied for want of one."""
        texts = [document(allow("s3:*", "arn:aws:s3:::a/*")), document(deny("s3:Put*"))]
        answer = iam(
            "SimulateCustomPolicy", PolicyInputList=texts, ActionNames=["s3:GetObject", "s3:PutObject"],
            ResourceArns=["arn:aws:s3:::a/x", "arn:aws:s3:::b/x"],
        )  # fmt: skip
        assert decisions(answer) == {
            ("s3:GetObject", "arn:aws:s3:::a/x"): "allowed",
            ("s3:GetObject", "arn:aws:s3:::b/x"): "implicitDeny",
            ("s3:PutObject", "arn:aws:s3:::a/x"): "explicitDeny",
            ("s3:PutObject", "arn:aws:s3:::b/x"): "explicitDeny",
        }
        matched = [
            [one["SourcePolicyId"] for one in result["MatchedStatements"]] for result in answer["EvaluationResults"]
        ]
        assert matched == [["PolicyInputList.1"], [], ["PolicyInputList.2"], ["PolicyInputList.2"]]

    def test_conditions_take_what_is_given(self, iam):
        """And what nobody gave is named."""
        text = document(
            allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"aws:username": "bob"}})
        )
        ask = {"PolicyInputList": [text], "ActionNames": ["s3:GetObject"]}
        (bare,) = iam("SimulateCustomPolicy", **ask)["EvaluationResults"]
        assert (bare["EvalDecision"], bare["MissingContextValues"]) == (
            "implicitDeny",
            ["aws:SourceIp", "aws:username"],
        )
        given = [
            {"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.0.0.1"], "ContextKeyType": "ip"},
            {"ContextKeyName": "aws:username", "ContextKeyValues": ["bob"], "ContextKeyType": "string"},
        ]
        (full,) = iam("SimulateCustomPolicy", **ask, ContextEntries=given)["EvaluationResults"]
        assert (full["EvalDecision"], full["MissingContextValues"]) == ("allowed", [])

    def test_a_resources_policy_and_a_boundary_take_part(self, cloud, iam):
        """As they do in requests."""
        bob = cloud.user("bob")
        granting = document(allow("s3:*", Principal={"AWS": bob.arn}))
        ask = {"PolicyInputList": [document(allow("sqs:*"))], "ActionNames": ["s3:GetObject"], "CallerArn": bob.arn}
        (granted,) = iam("SimulateCustomPolicy", **ask, ResourcePolicy=granting)["EvaluationResults"]
        assert granted["EvalDecision"] == "allowed"
        assert granted["MatchedStatements"] == [{"SourcePolicyId": "ResourcePolicy", "SourcePolicyType": "resource"}]
        (bound,) = iam(
            "SimulateCustomPolicy",
            **{**ask, "PolicyInputList": [READ]},
            PermissionsBoundaryPolicyInputList=[document(allow("sqs:*"))],
        )["EvaluationResults"]
        assert bound["EvalDecision"] == "implicitDeny"
        assert bound["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}

    def test_results_come_in_pieces(self, iam):
        """Each pair of action and resource once."""
        ask = {
            "PolicyInputList": [READ],
            "ActionNames": ["s3:GetObject", "s3:PutObject"],
            "ResourceArns": ["*", "arn:aws:s3:::b"],
        }
        first = iam("SimulateCustomPolicy", **ask, MaxItems=3)
        second = iam("SimulateCustomPolicy", **ask, MaxItems=3, Marker=first["Marker"])
        assert (first["IsTruncated"], second["IsTruncated"]) == (True, False)
        assert len({**decisions(first), **decisions(second)}) == 4

    def test_what_is_no_policy_is_refused(self, iam):
        """And what is not built says so."""
        with pytest.raises(InvalidInput, match="Syntax errors"):
            iam("SimulateCustomPolicy", PolicyInputList=["{"], ActionNames=["s3:GetObject"])
        with pytest.raises(NotBuilt):
            iam(
                "SimulateCustomPolicy",
                PolicyInputList=[READ],
                ActionNames=["s3:GetObject"],
                ResourceHandlingOption="EC2-VPC",
            )


class TestPrincipal:
    def test_everything_a_user_has(self, cloud, iam):
        """Inline, attached, of groups, and within the boundary."""
        bob = cloud.user("bob", allow("s3:Get*", "arn:aws:s3:::${aws:username}/*"))
        iam("CreateGroup", GroupName="g")
        iam("AddUserToGroup", GroupName="g", UserName="bob")
        iam("AttachGroupPolicy", GroupName="g", PolicyArn=SQS)
        ask = {
            "PolicySourceArn": bob.arn,
            "ActionNames": ["s3:GetObject", "sqs:SendMessage"],
            "ResourceArns": ["arn:aws:s3:::bob/x"],
        }
        answer = iam("SimulatePrincipalPolicy", **ask)
        assert set(decisions(answer).values()) == {"allowed"}
        matched = [one["MatchedStatements"][0] for one in answer["EvaluationResults"]]
        assert matched == [
            {"SourcePolicyId": "user_bob_own", "SourcePolicyType": "user"},
            {"SourcePolicyId": "AmazonSQSFullAccess", "SourcePolicyType": "aws-managed"},
        ]
        iam("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=SQS)
        assert list(decisions(iam("SimulatePrincipalPolicy", **ask)).values()) == ["implicitDeny", "allowed"]

    def test_the_simulator_agrees_with_the_decision(self, cloud, iam):
        """For roles as well."""
        trust = document(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        )
        role = iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam(
            "PutRolePolicy",
            RoleName="r",
            PolicyName="p",
            PolicyDocument=document(allow("s3:Get*", "arn:aws:s3:::a/*"), deny("s3:GetObjectAcl")),
        )
        from pilvi.core import caller as callers

        session = cloud.session(callers.service("lambda.amazonaws.com", ACCOUNT), role)
        for action in ("s3:GetObject", "s3:GetObjectAcl", "s3:PutObject"):
            for resource in ("arn:aws:s3:::a/x", "arn:aws:s3:::b/x"):
                (result,) = iam(
                    "SimulatePrincipalPolicy", PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource]
                )["EvaluationResults"]
                assert (result["EvalDecision"] == "allowed") is cloud.may(session, action, resource)

    def test_whose_policies_must_be_clear(self, iam):
        """An ARN of a user, group or role of the account, that exists."""
        for source in (
            "arn:aws:s3:::bucket-of-mine",
            f"arn:aws:iam::{ACCOUNT}:policy/x",
            "arn:aws:iam::999999999999:user/x",
            "x" * 20,
        ):
            with pytest.raises(InvalidInput):
                iam("SimulatePrincipalPolicy", PolicySourceArn=source, ActionNames=["s3:GetObject"])
        with pytest.raises(NoSuchEntity):
            iam(
                "SimulatePrincipalPolicy",
                PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/eve",
                ActionNames=["s3:GetObject"],
            )


@pytest.mark.parametrize("name", ["user/dev/alice", "user/ALICE", "user/x/dev/alice", "role/alice"])
def test_an_arn_is_somebodys_own(iam, name):
    """Who may simulate user/dev/* cannot look at alice by giving her a path, nor by another spelling of her name."""
    iam("CreateUser", UserName="alice")
    iam("PutUserPolicy", UserName="alice", PolicyName="own", PolicyDocument=READ)
    source = f"arn:aws:iam::{ACCOUNT}:{name}"
    with pytest.raises(NoSuchEntity):
        iam("SimulatePrincipalPolicy", PolicySourceArn=source, ActionNames=["s3:GetObject"])
    with pytest.raises(NoSuchEntity):
        iam("GetContextKeysForPrincipalPolicy", PolicySourceArn=source)
    with pytest.raises(NoSuchEntity):
        iam("SimulateCustomPolicy", PolicyInputList=[READ], ActionNames=["s3:GetObject"], CallerArn=source)


def test_the_keys_that_policies_ask_for(cloud, iam):
    """Of conditions and of variables."""
    text = document(
        allow(resource="arn:aws:s3:::${aws:username}/*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    )
    assert iam("GetContextKeysForCustomPolicy", PolicyInputList=[text])["ContextKeyNames"] == [
        "aws:SecureTransport",
        "aws:username",
    ]
    bob = cloud.user("bob", allow(Condition={"Null": {"aws:TokenIssueTime": "true"}}))
    assert iam("GetContextKeysForPrincipalPolicy", PolicySourceArn=bob.arn)["ContextKeyNames"] == ["aws:TokenIssueTime"]
