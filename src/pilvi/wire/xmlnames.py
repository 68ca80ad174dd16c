"""What elements and attributes are called, by the traits of a model."""

from pilvi.wire.model import Ref, ServiceModel, Shape

ANSWERED_ELSEWHERE = frozenset({"header", "headers", "statusCode"})  # other locations mean nothing in answers
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def is_flat(ref: Ref, shape: Shape) -> bool:
    return ref.flattened or shape.flattened


def element_name(service: ServiceModel, ref: Ref, member: str) -> str:
    """The element that a structure's member is written as.

    In models from before protocols were listed (SimpleDB's) a flattened list goes by its entries' name.
    """
    names = element_names(service, ref, member)
    return names[0] if service.metadata.protocols else names[-1]


def element_names(service: ServiceModel, ref: Ref, member: str) -> tuple[str, ...]:
    """The elements that a structure's member is read from: its own name; for a flattened list its entries' name too."""
    own = ref.location_name or member
    shape = service.shape(ref)
    if not ref.location_name and shape.type == "list" and is_flat(ref, shape) and shape.member.location_name:
        return own, shape.member.location_name
    return (own,)


def attribute_name(ref: Ref, member: str) -> str:
    """An attribute as the parser names it: with its namespace, not with a prefix."""
    prefix, colon, name = (ref.location_name or member).rpartition(":")
    return f"{XSI}{name}" if colon and prefix == "xsi" else name


def namespace_attribute(namespace: dict[str, str] | str) -> str:
    """The xmlns attribute that the model asks for, with a space before it; or nothing."""
    if isinstance(namespace, str):
        return f' xmlns="{namespace}"' if namespace else ""
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{namespace["uri"]}"'
