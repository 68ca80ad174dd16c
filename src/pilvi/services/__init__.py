"""The services of the cloud, one folder each. A folder that exports SERVICE is a service; nothing else lists them."""

import pkgutil
from functools import cache
from importlib import import_module

from pilvi.core.operation import Service


@cache
def discover() -> dict[str, Service]:
    """Every service by botocore's name."""
    found: dict[str, Service] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            service = getattr(import_module(f"{__name__}.{module.name}"), "SERVICE", None)
            if isinstance(service, Service):
                found[service.name] = service
    return found
