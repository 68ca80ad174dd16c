"""XML documents from strangers, read into elements.

No DTD is accepted, so there are no entities to expand; the size, the number and the depth of elements are limited.
The text is UTF-8 whatever it declares.
"""

from xml.etree.ElementTree import Element, ParseError, XMLParser

from pilvi.wire.scalars import Malformed

TAGS_MAX = 400_000  # CompleteMultipartUpload of 10,000 parts with every checksum has 280,000
DEPTH_MAX = 100

PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n'


def parse(body: bytes) -> Element:
    """The root element.

    Raises:
        Malformed: not well-formed, or made to harm.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Malformed("a document type declaration is not allowed")
    if body.count(b"<") > TAGS_MAX:
        raise Malformed("too many elements")
    parser = XMLParser(encoding="utf-8")  # noqa: S314 - entities cannot be declared, see above
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError) as error:
        raise Malformed(str(error)) from None
    if body.count(b"</") > DEPTH_MAX and _deeper_than(root, DEPTH_MAX):
        raise Malformed("elements are nested too deeply")
    return root


def _deeper_than(root: Element, depth: int) -> bool:
    """Level by level, so that no depth can exhaust the stack."""
    level = [root]
    for _ in range(depth):
        level = [child for element in level for child in element]
        if not level:
            return False
    return True


def local(tag: str) -> str:
    """A tag without its namespace."""
    return tag.rpartition("}")[2]
