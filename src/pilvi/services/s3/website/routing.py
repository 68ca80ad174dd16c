"""Which redirect a request falls under, and where it leads. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html#advanced-conditional-redirects
"""

from urllib.parse import quote

from pilvi.services.s3.website.records import BucketWebsite, RoutingRule, Target

_MOVED = 301
_SAFE = "/!$&'()*+,:;=@~#?"
"""What stays as it is in the path of a Location: "#!" and queries in a replacement are meant."""


def rule_for(site: BucketWebsite, key: str, error: int = 0) -> RoutingRule | None:
    """The first rule for a key, before it is looked for (`error` 0) or when that failed with an HTTP status."""
    for rule in site.rules:
        if rule.error == error and key.startswith(rule.prefix or ""):
            return rule
    return None


def redirect(rule: RoutingRule, key: str, endpoint: str, query: str) -> tuple[int, str]:
    """Status and Location of a request for `key` that falls under a rule."""
    target = rule.target
    if target.key is not None:
        moved = quote(target.key, safe=_SAFE)
    elif target.prefix is not None:
        moved = quote(target.prefix, safe=_SAFE) + path_of(key[len(rule.prefix or "") :])
    else:
        moved = path_of(key)
    return target.status or _MOVED, _absolute(target, moved, endpoint, query)


def redirect_everything(target: Target, key: str, endpoint: str, query: str) -> tuple[int, str]:
    return _MOVED, _absolute(target, path_of(key), endpoint, query)


def folder(key: str) -> str:
    """Where a folder's page is. Two slashes in front would name another host: such a key hides its own."""
    path = path_of(key)
    return f"/%2F{path[1:]}/" if path.startswith("/") else f"/{path}/"


def path_of(key: str) -> str:
    """A key as it stands in a URL."""
    return quote(key, safe="/!$&'()*+,:;=@~")


def _absolute(target: Target, path: str, endpoint: str, query: str) -> str:
    """The whole URL; `endpoint` is that of the request, and tells what the target leaves open."""
    protocol, _, host = endpoint.partition("://")
    url = f"{target.protocol or protocol}://{target.host or host}/{path}"
    return f"{url}?{query}" if query and "?" not in path and "#" not in path else url
