"""Which rule a page's request falls under, and what the browser is told then.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
"""

from collections.abc import Iterable

from pilvi.core.origins import Crossing
from pilvi.services.s3.cors.records import SharingRule

ANY = "*"
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def matching(rules: Iterable[SharingRule], asked: Crossing) -> tuple[SharingRule, str] | None:
    """The first rule that allows all of it, and the origin in it that fits."""
    for rule in rules:
        if asked.method not in rule.methods:
            continue
        origin = next((pattern for pattern in rule.origins if fits(pattern, asked.origin)), None)
        if origin is not None and all(_names(rule, header) for header in asked.headers):
            return rule, origin
    return None


def _names(rule: SharingRule, header: str) -> bool:
    return any(fits(pattern.lower(), header) for pattern in rule.headers)


def fits(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern with at most one "*" stands for."""
    head, star, tail = pattern.partition(ANY)
    if not star:
        return text == pattern
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def answer(rule: SharingRule, origin: str, asked: Crossing) -> list[tuple[str, str]]:
    """The headers for the browser. A rule for every page lets none of them send cookies along."""
    headers = [("Access-Control-Allow-Origin", ANY if origin == ANY else asked.origin)]
    if asked.headers:
        headers.append(("Access-Control-Allow-Headers", ", ".join(asked.headers)))
    headers.append(("Access-Control-Allow-Methods", ", ".join(rule.methods)))
    if rule.shows:
        headers.append(("Access-Control-Expose-Headers", ", ".join(rule.shows)))
    if rule.max_age_seconds >= 0:
        headers.append(("Access-Control-Max-Age", str(rule.max_age_seconds)))
    if origin != ANY:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    return [*headers, ("Vary", _VARY)]
