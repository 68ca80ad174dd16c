"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, and the escapes `${*}`, `${?}`, `${$}`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from collections.abc import Mapping

from pilvi.identity.patterns import Token, tokens

Values = Mapping[str, str | list[str]]

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DEFAULT = re.compile(r",\s*'(.*)'\Z", re.DOTALL)
_ESCAPES = frozenset("*?$")

# A template is tokens and variables: (key in lower case, default or None) stands where a value is to be put.
Variable = tuple[str, str | None]


class Template:
    """A text of a policy with its variables found; `fill` puts the request's values in, where wildcards are plain text."""

    __slots__ = ("constant", "parts")

    def __init__(self, text: str, *, variables: bool, wildcards: bool) -> None:
        self.parts: list[list[Token] | Variable] = []
        place = 0
        for found in _VARIABLE.finditer(text) if variables else ():
            self._text(text[place : found.start()], wildcards=wildcards)
            name = found[1]
            if name in _ESCAPES:
                self.parts.append([("", name)])
            else:
                self.parts.append(_variable(name.strip()))
            place = found.end()
        self._text(text[place:], wildcards=wildcards)
        self.constant: tuple[Token, ...] | None = None
        if not any(isinstance(part, tuple) for part in self.parts):
            self.constant = self.fill({})

    def _text(self, text: str, *, wildcards: bool) -> None:
        if text:
            self.parts.append(tokens(text) if wildcards else [("", text)])

    def fill(self, values: Values) -> tuple[Token, ...] | None:
        """The tokens for this request, neighbouring text joined; None when a variable has no single value."""
        filled: list[Token] = []
        for part in self.parts:
            if isinstance(part, tuple):
                value = values.get(part[0], part[1])
                if not isinstance(value, str):
                    return None
                pieces: list[Token] = [("", value)]
            else:
                pieces = part
            for kind, text in pieces:
                if kind == "" and filled and filled[-1][0] == "":
                    filled[-1] = ("", filled[-1][1] + text)
                else:
                    filled.append((kind, text))
        return tuple(filled)


def _variable(text: str) -> Variable:
    """`aws:PrincipalTag/team, 'none'` as key and default. The key ends where the first default could begin."""
    found = _DEFAULT.search(text) if text.endswith("'") else None
    if found is None:
        return text.lower(), None
    return text[: found.start()].rstrip().lower(), found[1]


def plain(pattern: tuple[Token, ...]) -> str | None:
    """The text of a pattern without wildcards, else None."""
    if not pattern:
        return ""
    return pattern[0][1] if len(pattern) == 1 and pattern[0][0] == "" else None
