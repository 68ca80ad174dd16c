"""The constraints that models put on inputs: required, length, range, pattern, enum.

Every broken one is reported, in the words of AWS's services:

    2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must have length greater
    than or equal to 1; Value null at 'tags.1.member.key' failed to satisfy constraint: Member must not be null

A function is generated for each operation, which does nothing where the model constrains nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pilvi.core.errors import CloudError, ValidationError
from pilvi.wire import faults, patterns
from pilvi.wire.compile import Shapes, Source
from pilvi.wire.model import OperationModel, Ref, ServiceModel, Shape

Problems = list[str]
Check = Callable[[Any, str, Problems], None]
VALUE_CHARACTERS_MAX = 2_048  # of a value quoted in a message
PROBLEMS_MAX = 100


class Validator:
    """The constraints of one service's operations.

    Args:
        error: makes the error from the list of problems; by default ValidationError, by the service's name for it.
    """

    def __init__(self, service: ServiceModel, error: Callable[[Problems], CloudError] | None = None) -> None:
        self._service = service
        self._checks = _Checks(service, Source(f"{service.name} constraints"))
        self._operations: dict[str, Check | None] = {}
        code = faults.CONSTRAINT.get(service.name)
        kind = faults.named(ValidationError, code, 400) if code else ValidationError
        self._error = error or (lambda problems: kind(text_of(problems)))

    def validate(self, operation: str, shape: Mapping[str, Any]) -> None:
        """Raises the service's error with a text that names every broken constraint."""
        if operation not in self._operations:
            self._operations[operation] = self._compile(self._service.operations[operation])
        check = self._operations[operation]
        if check is None:
            return
        problems: Problems = []
        check(shape, "", problems)
        if problems:
            raise self._error(problems)

    def _compile(self, operation: OperationModel) -> Check | None:
        if operation.input is None:
            return None
        name = self._checks.of(operation.input)
        return self._checks.source.function(name) if name else None


def text_of(problems: Problems) -> str:
    count = len(problems)
    return f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(problems[:PROBLEMS_MAX])}"


class _Checks(Shapes):
    """Generates functions (value, path, problems) -> None by shape. No name: nothing to check."""

    def __init__(self, service: ServiceModel, source: Source) -> None:
        super().__init__(service, source, "check")
        self._free: dict[str, bool] = {}
        source.scope.update({"failed": failed, "missing": missing})

    def of(self, ref: Ref) -> str:
        return "" if self.free(ref.shape) else super().of(ref)

    def free(self, name: str) -> bool:
        """Whether nothing in values of this shape is constrained."""
        known = self._free.get(name)
        if known is None:
            self._free[name] = True
            known = self._free[name] = self._is_free(self.service.shapes[name])
            if not known:
                self._free = {one: free for one, free in self._free.items() if not free}
        return known

    def _is_free(self, shape: Shape) -> bool:
        if shape.document or shape.eventstream:
            return True
        if (
            shape.required
            or shape.enum
            or _pattern(shape) is not None
            or shape.min is not None
            or shape.max is not None
        ):
            return False
        inner = [ref.shape for ref in shape.members.values()]
        if shape.type == "list":
            return False if not shape.sparse else self.free(shape.member.shape)
        if shape.type == "map":
            if not shape.sparse:
                return False
            inner = [shape.key.shape, shape.value.shape]
        return all([self.free(name) for name in inner])  # noqa: C419 - look at all of them

    def leaf(self, ref: Ref, shape: Shape) -> str:
        name = self._names.get(ref.shape)
        if name is None:
            name = self._names[ref.shape] = self.source.unused(f"check_{ref.shape}")
            rules = self.source.constant(f"{name}_rules", rules_of(shape))
            lengths = "value" if shape.type in NUMBERS else "len(value)"
            tests = []
            if shape.min is not None:
                tests.append(f"{lengths} < {shape.min!r}")
            if shape.max is not None:
                tests.append(f"{lengths} > {shape.max!r}")
            if shape.enum:
                tests.append(f"value not in {self.source.constant(f'{name}_enum', frozenset(shape.enum))}")
            if (matches := _pattern(shape)) is not None:
                tests.append(f"not {self.source.constant(f'{name}_pattern', matches)}(value)")
            self.source.define(
                f"def {name}(value, path, problems):\n"
                f"    if {' or '.join(tests) or 'False'}:\n"
                f"        failed(problems, {rules}(value), value, path, {shape.sensitive!r})"
            )
        return name

    def structure(self, name: str, shape: Shape) -> None:
        lines = []
        for member, ref in shape.members.items():
            path = f"path + {_lower_camel(member)!r}"
            required = member in shape.required and not ref.host_label
            check = self.of(ref)
            if not check and not required:
                continue
            lines.append(f"    item = value.get({member!r})")
            if required:
                lines.append(f"    if item is None:\n        problems.append(missing({path}))")
                if check:
                    lines.append(f"    else:\n        {check}(item, {self._inner(ref, path)}, problems)")
            else:
                lines.append(f"    if item is not None:\n        {check}(item, {self._inner(ref, path)}, problems)")
        body = "\n".join(lines) or "    pass"
        self.source.define(f"def {name}(value, path, problems):\n{body}")

    def _inner(self, ref: Ref, path: str) -> str:
        """A structure's own path ends with a dot, ready for its members."""
        return f"{path} + '.'" if self._is_structure(ref) else path

    def _is_structure(self, ref: Ref) -> bool:
        shape = self.service.shape(ref)
        return shape.type == "structure" and not shape.document

    def listing(self, name: str, shape: Shape) -> None:
        text = self._sized(name, shape)
        check = self.of(shape.member)
        if not shape.sparse:
            text += NULLS.format(items="value")
        if check and self._is_collection(shape.member):
            tail = ".member." if self._is_structure(shape.member) else ".member"
            text += LIST_EACH.format(check=check, tail=tail)
        elif check:
            text += self._scalars(shape.member, "value", "Member must satisfy constraint")
        self.source.define(f"def {name}(value, path, problems):\n{text or '    pass'}")

    def mapping(self, name: str, shape: Shape) -> None:
        text = self._sized(name, shape)
        if self.of(shape.key):
            text += self._scalars(shape.key, "value", "Map keys must satisfy constraint")
        if not shape.sparse:
            text += MAP_NULLS.format(secret=self.service.shape(shape.value).sensitive)
        check = self.of(shape.value)
        if check and self._is_collection(shape.value):
            tail = ".member." if self._is_structure(shape.value) else ".member"
            text += MAP_EACH.format(check=check, tail=tail)
        elif check:
            text += self._scalars(shape.value, "value.values()", "Map value must satisfy constraint")
        self.source.define(f"def {name}(value, path, problems):\n{text or '    pass'}")

    def _is_collection(self, ref: Ref) -> bool:
        shape = self.service.shape(ref)
        return shape.type in {"structure", "list", "map"} and not shape.document

    def _scalars(self, ref: Ref, items: str, words: str) -> str:
        """Scalars inside a list or map are reported at the collection, with all rules of theirs at once."""
        shape = self.service.shape(ref)
        rules = self.source.constant(f"rules_{ref.shape}", rules_of(shape))
        return SCALARS.format(
            items=items, rules=rules, words=words, everything=all_rules(shape), secret=shape.sensitive
        )

    def _sized(self, name: str, shape: Shape) -> str:
        if shape.min is None and shape.max is None:
            return ""
        rules = self.source.constant(f"{name}_rules", rules_of(shape))
        return f"    failed(problems, {rules}(value), value, path, {shape.sensitive!r})\n"


NULLS = """    for number, item in enumerate({items}, 1):
        if item is None:
            problems.append(missing(f"{{path}}.{{number}}.member"))
"""
LIST_EACH = """    for number, item in enumerate(value, 1):
        if item is not None:
            {check}(item, f"{{path}}.{{number}}{tail}", problems)
"""
MAP_NULLS = """    if None in value.values():
        failed(problems, ["Map value must satisfy constraint: [Member must not be null]"], value, path, {secret!r})
"""
MAP_EACH = """    for key, item in value.items():
        if item is not None:
            {check}(item, f"{{path}}.{{key}}{tail}", problems)
"""
SCALARS = """    if any([item is not None and {rules}(item) for item in {items}]):
        failed(problems, [{words!r} + ": " + {everything!r}], value, path, {secret!r})
"""

NUMBERS = frozenset({"integer", "long", "float", "double"})
PATTERN = "Member must satisfy regular expression pattern: "

Rules = Callable[[Any], list[str]]
Rule = tuple[Callable[[Any], bool], str]


def rules_of(shape: Shape) -> Rules:
    """A function that names the rules of a shape which a value breaks."""
    checks = sorted(_rules(shape), key=lambda rule: not rule[1].startswith(PATTERN))  # alone, a pattern comes first

    def broken(value: Any) -> list[str]:
        return [text for test, text in checks if not test(value)]

    return broken


def all_rules(shape: Shape) -> str:
    return f"[{', '.join(text for _, text in _rules(shape))}]"


def _rules(shape: Shape) -> list[Rule]:
    """Tests of a value and what is said when they fail, in the order in which AWS lists the rules of a member."""
    rules: list[Rule] = []
    low, high = shape.min, shape.max
    number = shape.type in NUMBERS
    size: Callable[[Any], float] = (lambda value: value) if number else len
    words = "value" if number else "length"
    if shape.enum:
        text = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        rules.append((frozenset(shape.enum).__contains__, text))
    if high is not None:
        text = f"Member must have {words} less than or equal to {high:.15g}"
        rules.append((lambda value: size(value) <= high, text))
    if low is not None:
        text = f"Member must have {words} greater than or equal to {low:.15g}"
        rules.append((lambda value: size(value) >= low, text))
    if (matches := _pattern(shape)) is not None:
        rules.append((matches, PATTERN + shape.pattern))
    return rules


def _pattern(shape: Shape) -> patterns.Matches | None:
    if not shape.pattern or shape.type not in {"string", "character"}:
        return None
    return patterns.compiled(shape.pattern, long=shape.max is not None and shape.max > patterns.VALUE_CHARACTERS_MAX)


# --- words ------------------------------------------------------------------------------------------------------------


def failed(problems: Problems, rules: list[str], value: Any, path: str, secret: bool) -> None:
    where = path.rstrip(".")
    what = "Value" if secret else f"Value '{shown(value)}'"
    problems.extend([f"{what} at '{where}' failed to satisfy constraint: {rule}" for rule in rules])


def missing(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def shown(value: Any) -> str:
    """A value as Java prints it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        text = f"[{', '.join([shown(item) for item in value])}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join([f'{key}={shown(item)}' for key, item in value.items()])}}}"
    elif isinstance(value, bytes):
        text = f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    else:
        text = str(value)
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[:VALUE_CHARACTERS_MAX] + "..."


def _lower_camel(member: str) -> str:
    """As AWS prints members: userName; of an abbreviation at the start only the first letter goes down."""
    return member[:1].lower() + member[1:]
