"""Policy documents, compiled once per text into statements that are quick to ask.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from pilvi.core.caller import Caller
from pilvi.identity.conditions import BadCondition, Test, compile_condition
from pilvi.identity.matching import Patterns
from pilvi.identity.principals import DIRECT, NOBODY, Principals
from pilvi.identity.question import Question

_ACTIONS_REMEMBERED_MAX = 1024


class BadDocument(ValueError):
    """The text is no policy. Documents are validated before they are stored, so a stored one never raises this."""


class Statement:
    """One statement of a policy."""

    __slots__ = ("actions", "allows", "asks", "conditions", "not_action", "not_principal", "not_resource", "principals",
                 "resources", "sid")  # fmt: skip

    def __init__(self, source: Mapping[str, Any], *, variables: bool) -> None:
        self.sid: str = source.get("Sid", "")
        self.allows = source["Effect"] == "Allow"
        self.not_action = "NotAction" in source
        self.actions = Patterns(text.lower() for text in listed(source["NotAction" if self.not_action else "Action"]))
        self.not_resource = "NotResource" in source
        resources = source.get("NotResource" if self.not_resource else "Resource")
        self.resources = None if resources is None else Patterns(listed(resources), variables=variables, arns=True)
        self.not_principal = "NotPrincipal" in source
        principals = source.get("NotPrincipal" if self.not_principal else "Principal")
        self.principals = None if principals is None else Principals(principals)
        self.asks: tuple[str, ...] = tuple(key for keys in source.get("Condition", {}).values() for key in keys)
        self.conditions: tuple[Test, ...] = tuple(
            compile_condition(operator, key, [as_text(value) for value in listed(wanted)], variables=variables)
            for operator, keys in source.get("Condition", {}).items()
            for key, wanted in keys.items()
        )

    def about(self, action: str) -> bool:
        return self.actions.match(action, dict) != self.not_action

    def holds(self, question: Question) -> bool:
        """Whether resource and conditions are the question's."""
        resources = self.resources
        if resources is not None and resources.match(question.resource, question.keys) == self.not_resource:
            return False
        for test in self.conditions:  # noqa: SIM110 - a generator costs more than the tests themselves
            if not test(question.keys()):
                return False
        return True

    def names(self, caller: Caller) -> int:
        """How directly the Principal element means the caller."""
        if self.principals is None:
            return NOBODY
        if not self.not_principal:
            return self.principals.match(caller)
        spared = self.principals.match(caller) != NOBODY if self.allows else self.principals.match_all(caller)
        return NOBODY if spared else DIRECT


Relevant = tuple[tuple[Statement, ...], tuple[Statement, ...]]


class Policy:
    """A compiled document. Which statements speak about an action depends on nothing else, so it is remembered."""

    __slots__ = ("_by_action", "statements")

    def __init__(self, statements: tuple[Statement, ...]) -> None:
        self.statements = statements
        self._by_action: dict[str, Relevant] = {}

    def about(self, action: str) -> Relevant:
        """Statements about an action (lower case): those that deny, those that allow."""
        found = self._by_action.get(action)
        if found is None:
            about = [one for one in self.statements if one.about(action)]
            found = (tuple(one for one in about if not one.allows), tuple(one for one in about if one.allows))
            if len(self._by_action) >= _ACTIONS_REMEMBERED_MAX:
                self._by_action.clear()
            self._by_action[action] = found
        return found


@lru_cache(maxsize=4096)
def compile_policy(text: str) -> Policy:
    """A document ready to be asked.

    Raises:
        BadDocument: not JSON, or not of a policy's form.
    """
    try:
        source = msgspec.json.decode(text)
        variables = source.get("Version", "2008-10-17") >= "2012-10-17"
        return Policy(tuple(Statement(one, variables=variables) for one in listed(source["Statement"])))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, BadCondition) as error:
        raise BadDocument(text[:200]) from error


def listed(value: Any) -> list[Any]:
    """Elements may stand alone or in a list."""
    return value if isinstance(value, list) else [value]


def as_text(value: str | float | bool) -> str:
    """A condition's value as the text it is compared as: JSON's true and 5 are "true" and "5"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
