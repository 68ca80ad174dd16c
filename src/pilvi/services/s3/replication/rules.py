"""Which rules apply to a version. Pure."""

from collections.abc import Iterable

from pilvi.services.s3.records import StoredObject
from pilvi.services.s3.replication.records import Rule


def applying(rules: Iterable[Rule], state: StoredObject) -> list[Rule]:
    """Of the rules that apply to a version that somebody wrote, the most important one for each destination."""
    return _best(rule for rule in rules if applies(rule, state))


def applying_back(rules: Iterable[Rule], replica: StoredObject) -> list[Rule]:
    """The same for a replica that somebody changed."""
    return _best(rule for rule in rules if rule.modifications and applies(rule, replica))


def applies(rule: Rule, state: StoredObject) -> bool:
    if not rule.enabled or not state.key.startswith(rule.prefix or ""):
        return False
    if state.marker:
        return takes_markers(rule)
    if state.seal is not None and state.seal.kind == "kms" and not rule.kms:
        return False
    return all(state.tags.get(name) == value for name, value in rule.tags.items())


def takes_markers(rule: Rule) -> bool:
    """Rules of the first version always do. Markers have no tags."""
    return not rule.tags and (rule.form == "old" if rule.markers is None else rule.markers)


def _best(found: Iterable[Rule]) -> list[Rule]:
    best: dict[str, Rule] = {}
    for rule in found:
        known = best.get(rule.destination)
        if known is None or (rule.priority or 0) > (known.priority or 0):
            best[rule.destination] = rule
    return list(best.values())
