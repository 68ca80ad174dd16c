"""Reads a well-formed `pilvi up` command line without importing anything heavy."""

from collections.abc import Sequence

import msgspec

from pilvi.config import OPTIONS, Given

BY_SWITCH = {option.switch: option for option in OPTIONS if not option.hidden}


class Up(msgspec.Struct, frozen=True):
    """What was asked of `up`: values by option name as text, the config file, and whether to detach."""

    given: Given
    config_file: str | None = None
    detach: bool = False

    def without(self, secrets: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """The command line that asks for the same in the foreground, with these options as environment variables."""
        arguments: list[str] = []
        environment: dict[str, str] = {}
        for option in OPTIONS:
            value = self.given.get(option.name, [])
            texts = [value] if isinstance(value, str) else value
            if option.name not in secrets:
                arguments += [f"{option.switch}={text}" for text in texts]
            elif texts:
                environment[option.variable] = " ".join(texts)
        if self.config_file:
            arguments.append(f"--config={self.config_file}")
        return arguments, environment


def up(arguments: Sequence[str]) -> Up | None:
    """What the arguments after `up` ask for; None when typer should look at them (help, mistakes)."""
    given: dict[str, str | list[str]] = {}
    config_file: str | None = None
    detach = False
    rest = iter(arguments)
    for argument in rest:
        if argument in ("-d", "--detach"):
            detach = True
            continue
        switch, equals, value = argument.partition("=")
        text = value if equals else next(rest, None)
        if text is None:
            return None
        if switch == "--config":
            config_file = text
        elif switch not in BY_SWITCH:
            return None
        elif BY_SWITCH[switch].repeatable:
            given[BY_SWITCH[switch].name] = [*given.get(BY_SWITCH[switch].name, []), text]
        else:
            given[BY_SWITCH[switch].name] = text
    return Up(given, config_file, detach)
