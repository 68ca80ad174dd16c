"""Writes the parts of the documentation that the code knows best: settings and operations.

    python tools/generate_docs.py            writes what changed
    python tools/generate_docs.py --check    writes nothing; exits 1 when something would change

They stand between `<!-- generated -->` and `<!-- end -->`; what is around them is written by hand.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from pilvi import services
from pilvi.config import OPTIONS
from pilvi.wire import model

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(r"(<!-- generated -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    changed = 0
    parts: dict[str, Callable[[], str]] = {"configuration.md": settings, "services.md": operations}
    for name, write in parts.items():
        path = DOCS / name
        present = path.read_text()
        inner = write()
        wanted = BLOCK.sub(lambda found, inner=inner: f"{found[1]}{inner}{found[2]}", present)  # type: ignore[misc]
        if wanted != present:
            changed += 1
            print(f"docs/{name} {'is not up to date: make generate' if '--check' in arguments else 'written'}")
            if "--check" not in arguments:
                path.write_text(wanted)
    return 1 if changed and "--check" in arguments else 0


def settings() -> str:
    rows = [
        f"| {f'`{option.switch} {option.metavar}`' if option.switch else '-'} | `{option.variable}` | `{option.name}` | {option.default} | {option.help} |"
        for option in OPTIONS
    ]
    return "\n".join(["| Option | Variable | In the file | Default | Meaning |", "|---|---|---|---|---|", *rows, ""])


def operations() -> str:
    lines = []
    for name, service in sorted(services.discover().items()):
        all_of_them = len(model.load(name).operations)
        built = ", ".join(f"`{operation}`" for operation in sorted(service.operations))
        lines += [
            f"### {name}",
            "",
            f"{len(service.operations)} of {all_of_them} operations: {built}.",
            "",
            f"Departures from AWS: [DIVERGENCES.md](../src/pilvi/services/{folder(name)}/DIVERGENCES.md).",
            "",
        ]
    return "\n".join(lines)


def folder(name: str) -> str:
    return next(path.name for path in services_root().iterdir() if path.name.rstrip("_").replace("_", "-") == name)


def services_root() -> Path:
    return Path(services.__file__).parent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
