"""Wildcards of policies: `*` is any run of characters, `?` any one; nothing else is special.

Matching must stay cheap for hostile patterns ("*a*a*a*...") against hostile names, so a star becomes an atomic group:
when every star may match anything, the leftmost place for the literal after it is always as good as any later one.
In an ARN the documented rule is finer: a star inside one of the first five segments stays in that segment, and one that
ends its segment may run over the colons (IAM User Guide, "Resource" element). Such patterns are rare and take a slower way.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

Matcher = Callable[[str], object]

_ANY, _ONE, _SEGMENT = "*", "?", "*:"
Token = tuple[str, str]  # (kind, literal text): kind is "" for text


def tokens(pattern: str) -> list[Token]:
    """A pattern as written in a policy, cut into text and wildcards."""
    parts = re.split(r"([*?])", pattern)
    return [("", part) if place % 2 == 0 else (part, "") for place, part in enumerate(parts) if part]


@lru_cache(maxsize=8192)
def glob(pattern: tuple[Token, ...]) -> Matcher:
    """Matches whole texts; takes linear time per star at worst."""
    if any(kind == _SEGMENT for kind, _ in pattern):
        return lru_cache(maxsize=256)(lambda text: _walk(pattern, text))
    groups: list[str] = [""]
    for kind, text in pattern:
        if kind == _ANY:
            if groups[-1] or len(groups) == 1:
                groups.append("")
        else:
            groups[-1] += "." if kind == _ONE else re.escape(text)
    if len(groups) == 1:
        source = groups[0]
    else:
        middle = "".join(f"(?>.*?{group})" for group in groups[1:-1])
        source = f"{groups[0]}{middle}.*{groups[-1]}"
    return re.compile(source, re.DOTALL).fullmatch


def _walk(pattern: tuple[Token, ...], text: str) -> bool:
    """All positions of the text that a prefix of the pattern can reach, token by token."""
    reached = {0}
    for kind, literal in pattern:
        following: set[int] = set()
        if kind == "":
            following = {place + len(literal) for place in reached if text.startswith(literal, place)}
        elif kind == _ONE:
            following = {place + 1 for place in reached if place < len(text)}
        elif kind == _ANY:
            following = set(range(min(reached), len(text) + 1)) if reached else following
        else:
            covered = -1
            for place in sorted(reached):
                if place > covered:
                    colon = text.find(":", place)
                    covered = colon if colon >= 0 else len(text)
                    following.update(range(place, covered + 1))
        reached = following
    return len(text) in reached


def arn_tokens(pattern: Iterable[Token]) -> tuple[Token, ...]:
    """Marks the stars that must stay in their segment: not the last character of one of the first five segments."""
    marked = list(pattern)
    colons = 0
    for place, (kind, text) in enumerate(marked):
        colons += text.count(":")
        following = marked[place + 1] if place + 1 < len(marked) else None
        ends_segment = following is None or following[1].startswith(":")
        if kind == _ANY and colons < 5 and not ends_segment:
            marked[place] = (_SEGMENT, "")
    return tuple(marked)


@lru_cache(maxsize=8192)
def _segments(pattern: tuple[Token, ...]) -> tuple[Matcher, ...]:
    parts: list[list[Token]] = [[]]
    for kind, text in pattern:
        pieces = text.split(":", 6 - len(parts)) if kind == "" else [""]
        if kind:
            parts[-1].append((kind, ""))
            continue
        for place, piece in enumerate(pieces):
            if place:
                parts.append([])
            if piece:
                parts[-1].append(("", piece))
    return tuple(glob(tuple(part)) for part in parts)


def arn_like(pattern: tuple[Token, ...], text: str) -> bool:
    """ArnLike: each of the six parts of the ARN is matched by itself."""
    matchers = _segments(pattern)
    values = text.split(":", 5)
    return len(matchers) == len(values) and all(m(value) for m, value in zip(matchers, values, strict=True))
