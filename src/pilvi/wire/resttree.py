"""Operations of a REST service by method and path: a tree of path segments, compiled from the URI templates.

Where several operations share a method and a template, the literals of their query strings decide (`?acl`), then the
members that they cannot do without (ListParts needs uploadId, CopyObject needs x-amz-copy-source); the one that asks
for most and gets it wins.
"""

from collections.abc import Mapping

from pilvi.core.errors import MalformedRequest
from pilvi.wire import faults
from pilvi.wire.forms import Pairs, decode_label
from pilvi.wire.model import OperationModel, ServiceModel
from pilvi.wire.scalars import Malformed

Labels = dict[str, str]
Found = tuple[str, Labels]


class Candidate:
    """One operation at the end of a path, and what it asks of the rest of the request."""

    __slots__ = ("headers", "labels", "literals", "name", "names")

    def __init__(self, service: ServiceModel, operation: OperationModel, labels: list[str]) -> None:
        self.name = operation.name
        self.labels = tuple(labels)
        literal = operation.http.request_uri.partition("?")[2]
        self.literals: dict[str, str] = dict(part.partition("=")[::2] for part in literal.split("&") if part)
        self.literals.pop("x-id", None)  # SDKs' own hint; absent from presigned URLs and other clients
        needed = service.shape(operation.input) if operation.input else None
        placed = [needed.members[member] for member in needed.required if member in needed.members] if needed else []
        self.names = frozenset(ref.location_name for ref in placed if ref.location == "querystring")
        self.headers = frozenset(ref.location_name.lower() for ref in placed if ref.location == "header")

    def has_literals(self, query: Mapping[str, str]) -> bool:
        return all(name in query and value in {"", query[name]} for name, value in self.literals.items())

    def has_needed(self, query: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        return self.names <= query.keys() and self.headers <= headers.keys()


class Choice:
    """The operations of one method at one path.

    Attributes:
        strict: an operation without literals is not chosen while a query member that it needs is missing.
        telling: names in the query that can make a difference.
    """

    __slots__ = ("candidates", "plain", "strict", "telling")

    def __init__(self, *, strict: bool) -> None:
        self.candidates: list[Candidate] = []
        self.plain: list[Candidate] = []
        self.strict = strict
        self.telling: frozenset[str] = frozenset()

    def add(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        self.candidates.sort(key=lambda one: (-len(one.literals), -len(one.names) - len(one.headers)))
        self.plain = [one for one in self.candidates if not one.literals and not one.names]
        self.telling |= candidate.literals.keys() | candidate.names

    def pick(self, pairs: Pairs, headers: Mapping[str, str]) -> Candidate | None:
        """The operation, if one fits."""
        query = {name: value for name, value in pairs if name in self.telling} if pairs else {}
        if not query:
            for candidate in self.plain:
                if candidate.headers <= headers.keys():
                    return candidate
        fitting = [candidate for candidate in self.candidates if candidate.has_literals(query)]
        if not fitting:
            return None
        same = [candidate for candidate in fitting if candidate.literals == fitting[0].literals]
        for candidate in same:
            if candidate.has_needed(query, headers):
                return candidate
        last = same[-1]
        if self.strict and not last.literals and not last.names <= query.keys():
            return None
        return last


class Node:
    """A place in the tree. `label` and `greedy` are the children for {Name} and {Name+}."""

    __slots__ = ("choices", "greedy", "label", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, Node] = {}
        self.label: Node | None = None
        self.greedy: Node | None = None
        self.choices: dict[str, Choice] = {}


class Tree:
    """All operations of one service."""

    def __init__(self, service: ServiceModel) -> None:
        self.strict = service.name == "s3"
        self.root = Node()
        for operation in sorted(service.operations.values(), key=lambda one: one.deprecated):
            self._add(service, operation)

    def _add(self, service: ServiceModel, operation: OperationModel) -> None:
        node = self.root
        labels = []
        for segment in _segments(operation.http.request_uri.partition("?")[0]):
            if segment.startswith("{"):
                name = segment[1:-1]
                labels.append(name.rstrip("+"))
                node = _child(node, "greedy" if name.endswith("+") else "label")
            else:
                node = node.literals.setdefault(segment, Node())
        choice = node.choices.setdefault(operation.http.method, Choice(strict=self.strict))
        choice.add(Candidate(service, operation, labels))

    def find(self, method: str, path: str, query: Pairs, headers: Mapping[str, str]) -> Found | None:
        """The operation's name and its labels.

        Raises:
            MalformedRequest: the path is not UTF-8 under its percent-encoding.
        """
        found = _walk(self.root, _segments(path), 0, (), method)
        return _found(found[0].pick(query, headers), found[1]) if found else None

    def find_two_levels(self, method: str, path: str, query: Pairs, headers: Mapping[str, str]) -> Found | None:
        """Like `find`, for the one service whose paths are /{Bucket}/{Key+}: its keys may be anything."""
        bucket, _, key = path[1:].partition("/")
        node = self.root
        values: tuple[str, ...] = ()
        literal = node.literals.get(bucket) if bucket and not key else None
        if literal is not None:
            node = literal
        elif bucket and node.label is not None:
            node, values = node.label, (bucket,)
            if key and node.greedy is not None:
                node, values = node.greedy, (bucket, key)
        choice = node.choices.get(method)
        return _found(choice.pick(query, headers), values) if choice else None


def _walk(
    node: Node, segments: list[str], place: int, values: tuple[str, ...], method: str
) -> tuple[Choice, tuple[str, ...]] | None:
    """Literals before labels, labels before greedy ones."""
    if place == len(segments):
        choice = node.choices.get(method)
        return (choice, values) if choice else None
    segment = segments[place]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, place + 1, values, method)
        if found is not None:
            return found
    if node.label is not None and segment:
        found = _walk(node.label, segments, place + 1, (*values, segment), method)
        if found is not None:
            return found
    if node.greedy is not None:
        for end in range(len(segments), place, -1):
            found = _walk(node.greedy, segments, end, (*values, "/".join(segments[place:end])), method)
            if found is not None:
                return found
    return None


def _found(candidate: Candidate | None, values: tuple[str, ...]) -> Found | None:
    if candidate is None:
        return None
    try:
        return candidate.name, {name: decode_label(value) for name, value in zip(candidate.labels, values, strict=True)}
    except Malformed:
        raise faults.named(MalformedRequest, "InvalidURI", 400)("Couldn't parse the specified URI.") from None


def _segments(path: str) -> list[str]:
    """A slash at the end makes no difference."""
    trimmed = path.strip("/")
    return trimmed.split("/") if trimmed else []


def _child(node: Node, kind: str) -> Node:
    child: Node | None = getattr(node, kind)
    if child is None:
        child = Node()
        setattr(node, kind, child)
    return child
