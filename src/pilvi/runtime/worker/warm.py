"""Makes boto3 quick to begin with: what a first client loads and parses is loaded before the fork.

botocore keeps the service models it has read in each session's loader. The zygote reads those of the services named, and
every loader made later starts with them.
"""

import contextlib
from typing import Any


def clients(services: list[str]) -> None:
    """Reads and compiles what clients of these services need. Nothing happens where boto3 is not installed."""
    with contextlib.suppress(ImportError):
        import boto3  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - the function's interpreter may have none
        from botocore import loaders  # noqa: PLC0415

        session = boto3.session.Session(
            aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1"  # noqa: S106 - not one
        )
        for name in services:
            session.client(name, endpoint_url="http://127.0.0.1:9")
        known: dict[Any, Any] = session._session.get_component("data_loader")._cache  # noqa: SLF001
        _share(loaders, known)


def _share(loaders: Any, known: dict[Any, Any]) -> None:
    make = loaders.create_loader

    def create_loader(search_path_string: str | None = None) -> Any:
        loader = make(search_path_string)
        if search_path_string is None:
            loader._cache.update(known)  # noqa: SLF001 - botocore has no other door
        return loader

    loaders.create_loader = create_loader
    create_loader.__doc__ = make.__doc__
