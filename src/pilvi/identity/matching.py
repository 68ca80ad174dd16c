"""Lists of patterns (Action, Resource, values of StringLike), compiled so that the usual ones cost a hash or a prefix."""

from collections.abc import Callable, Iterable

from pilvi.identity.patterns import Matcher, Token, arn_tokens, glob
from pilvi.identity.variables import Template, Values, plain


class Patterns:
    """Whether a text matches at least one of several patterns."""

    __slots__ = ("any", "arns", "exact", "globs", "prefixes", "templates")

    def __init__(self, texts: Iterable[str], *, variables: bool = False, arns: bool = False) -> None:
        self.arns = arns
        self.any = False
        exact: list[str] = []
        prefixes: list[str] = []
        globs: list[Matcher] = []
        templates: list[Template] = []
        for text in texts:
            template = Template(text, variables=variables, wildcards=True)
            pattern = template.constant
            if pattern is None:
                templates.append(template)
            elif (name := plain(pattern)) is not None:
                exact.append(name)
            elif all(kind == "*" for kind, _ in pattern):
                self.any = True
            elif len(pattern) == 2 and pattern[0][0] == "" and pattern[1][0] == "*":
                prefixes.append(pattern[0][1])
            else:
                globs.append(self._glob(pattern))
        self.exact = frozenset(exact)
        self.prefixes = tuple(prefixes)
        self.globs = tuple(globs)
        self.templates = tuple(templates)

    def _glob(self, pattern: tuple[Token, ...]) -> Matcher:
        return glob(arn_tokens(pattern) if self.arns else pattern)

    def match(self, text: str, values: Callable[[], Values]) -> bool:
        """`values` gives the request's condition keys; asked for only when a pattern holds a variable."""
        if self.any or text in self.exact or (self.prefixes and text.startswith(self.prefixes)):
            return True
        for matches in self.globs:
            if matches(text):
                return True
        for template in self.templates:
            pattern = template.fill(values())
            if pattern is not None and self._glob(pattern)(text):
                return True
        return False
