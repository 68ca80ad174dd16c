"""`pilvi` and `python -m pilvi`.

A well-formed `up` goes straight to the server: parsing it with typer would cost a tenth of a second and eight
megabytes that the server never uses. Everything else, and every mistake, is typer's.
"""

import gc
import sys

from pilvi.cli import quick, terminal


def main() -> None:
    terminal.open_closed_streams()
    arguments = sys.argv[1:]
    wanted = quick.up(arguments[1:]) if arguments[:1] == ["up"] else None
    if wanted is not None:
        gc.disable()  # nothing of what comes now is garbage; the server enables it when all is there
        from pilvi.cli import up  # noqa: PLC0415 - the server's imports, for this command only

        sys.exit(up.run(wanted))
    from pilvi.cli.commands import app  # noqa: PLC0415 - see above

    app(prog_name="pilvi")


if __name__ == "__main__":
    main()
