"""Where a setting comes from, and what is said about a wrong one."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest

from pilvi.config import BY_NAME, OPTIONS, AccessKey, Config, Exit, MasterKey, StartError, UserKey, load

KEY = "ABCDEFGHIJKLMNOP:a-secret-of-length"
RIGHT = {
    "data": "/somewhere",
    "bind": "::1",
    "port": "0",
    "region": "eu-north-1",
    "account": "123456789012",
    "root_key": KEY,
    "user_keys": f"123456789012:ann:{KEY}",
    "tls_cert": "/c.pem",
    "tls_key": "/k.pem",
    "log_level": "debug",
    "connections_max": "10",
    "drain_seconds": "0",
    "function_idle_seconds": "5",
    "function_concurrency": "7",
}
WRONG = {
    "data": "a\0b",
    "bind": "example.org",
    "port": "65536",
    "region": "nowhere",
    "account": "12",
    "root_key": "short:x",
    "user_keys": "ann:ABCDEFGHIJKLMNOP:secret-of-length",
    "tls_cert": "",
    "tls_key": "",
    "log_level": "loud",
    "connections_max": "0",
    "drain_seconds": "-1",
    "function_idle_seconds": "1.5",
    "function_concurrency": "many",
}


def test_every_field_of_the_configuration_is_an_option_and_the_other_way_round() -> None:
    """A setting that the table does not list cannot be set or documented."""
    assert [option.name for option in OPTIONS] == list(Config.__struct_fields__)


def test_defaults_are_those_that_the_table_tells() -> None:
    """Help texts and the reference show the true default."""
    config = load({}, {"HOME": "/home/ann"})
    for option in OPTIONS:
        value = getattr(config, option.name)
        if value is not None and value != () and option.name != "data":
            assert str(value) == option.default, option.name
    assert config.data == Path("/home/ann/.local/share/pilvi")


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_each_source_sets_each_option(name: str, tmp_path: Path) -> None:
    """Command line, environment and config file mean the same."""
    pair = {"tls_cert": "/c.pem", "tls_key": "/k.pem"} if name.startswith("tls") else {name: RIGHT[name]}
    file = tmp_path / "some.toml"
    file.write_text("\n".join(f"{key} = {value!r}" for key, value in pair.items()))
    by_line = load(pair, {})
    by_environment = load({}, {BY_NAME[key].variable: value for key, value in pair.items()})
    by_file = load({}, {}, str(file))
    assert by_line == by_environment == by_file
    assert getattr(by_line, name) != getattr(load({}, {}), name)


MASTER = bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        MASTER.hex(),
        MASTER.hex().upper(),
        b64encode(MASTER).decode(),
        urlsafe_b64encode(MASTER).decode().rstrip("="),
        f" {MASTER.hex()}\n",
    ],
)
def test_a_master_key_is_32_bytes_in_any_usual_writing(text: str) -> None:
    """Hexadecimal digits, or base64 in both alphabets, with or without padding; it is never shown."""
    config = load({}, {"PILVI_MASTER_KEY": text})
    assert config.master_key == MasterKey(MASTER)
    assert text.strip() not in repr(config)
    assert repr(MASTER)[2:-1] not in repr(config)


@pytest.mark.parametrize(
    "text", ["k", MASTER.hex()[:-1], MASTER.hex() + "00", b64encode(MASTER[:-1]).decode(), "ä" * 32]
)
def test_what_is_no_master_key_is_refused_and_not_shown(text: str) -> None:
    """A typing mistake in a secret is nobody's to read in a log."""
    with pytest.raises(StartError) as raised:
        load({}, {"PILVI_MASTER_KEY": text})
    assert raised.value.exit_code == Exit.USAGE
    assert raised.value.message == "PILVI_MASTER_KEY must be 32 bytes, as 64 hexadecimal digits or in base64"


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_value_is_refused_in_one_line_that_names_its_source(name: str) -> None:
    """The message says what would be right."""
    with pytest.raises(StartError) as raised:
        load({name: WRONG[name]}, {})
    assert raised.value.exit_code == Exit.USAGE
    assert raised.value.message.startswith(f"{BY_NAME[name].switch} must be ")
    assert "\n" not in raised.value.message


def test_the_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    """Nearest to the user wins."""
    file = tmp_path / "pilvi.toml"
    file.write_text("port = 1\nregion = 'eu-north-1'\naccount = '111111111111'")
    environment = {"PILVI_PORT": "2", "PILVI_REGION": "eu-west-1", "PILVI_DATA": str(tmp_path)}
    config = load({"port": "3"}, environment)
    assert (config.port, config.region, config.account) == (3, "eu-west-1", "111111111111")


def test_pilvi_toml_in_the_data_folder_is_read_unless_another_file_is_named(tmp_path: Path) -> None:
    """A folder carries its own settings."""
    (tmp_path / "pilvi.toml").write_text("port = 1")
    other = tmp_path / "other.toml"
    other.write_text("region = 'eu-north-1'")
    assert load({"data": str(tmp_path)}, {}).port == 1
    assert load({"data": str(tmp_path)}, {"PILVI_CONFIG": str(other)}).port == 4566


def test_paths_in_a_config_file_are_relative_to_it(tmp_path: Path) -> None:
    """A file can be moved together with what it names."""
    (tmp_path / "pilvi.toml").write_text("tls_cert = 'cert.pem'\ntls_key = 'key.pem'")
    config = load({"data": str(tmp_path)}, {})
    assert (config.tls_cert, config.tls_key) == (tmp_path / "cert.pem", tmp_path / "key.pem")


def test_a_list_in_the_file_and_spaces_in_the_variable_give_several_users(tmp_path: Path) -> None:
    """Repeatable options can be repeated everywhere."""
    first, second = f"111111111111:ann:{KEY}", f"222222222222:bob:{KEY}"
    file = tmp_path / "a.toml"
    file.write_text(f"user_keys = ['{first}', '{second}']")
    expected = (
        UserKey("111111111111", "ann", AccessKey("ABCDEFGHIJKLMNOP", "a-secret-of-length")),
        UserKey("222222222222", "bob", AccessKey("ABCDEFGHIJKLMNOP", "a-secret-of-length")),
    )
    assert load({}, {}, str(file)).user_keys == expected
    assert load({}, {"PILVI_USER_KEYS": f"{first} {second}"}).user_keys == expected
    assert load({"user_keys": [first, second]}, {}).user_keys == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("prot = 1", "no setting is called 'prot'"),
        ("port = ", "cannot be read as TOML"),
        ("port = [1]", "port must be"),
    ],
)
def test_a_wrong_config_file_is_refused_by_name(content: str, words: str, tmp_path: Path) -> None:
    """A typing error is not ignored."""
    file = tmp_path / "wrong.toml"
    file.write_text(content)
    with pytest.raises(StartError) as raised:
        load({}, {}, str(file))
    assert str(file) in raised.value.message
    assert words in raised.value.message


def test_a_named_config_file_that_is_missing_is_an_error() -> None:
    """Only the data folder's own file is optional."""
    with pytest.raises(StartError, match=r"/nowhere\.toml: no such config file"):
        load({}, {}, "/nowhere.toml")


def test_half_of_tls_is_refused() -> None:
    """A certificate without its key would serve plain HTTP."""
    with pytest.raises(StartError, match="belong together"):
        load({"tls_cert": "/c.pem"}, {})


@pytest.mark.parametrize("name", ["root_key", "user_keys"])
def test_secrets_do_not_come_back_in_errors_or_representations(name: str) -> None:
    """What goes wrong may be logged."""
    with pytest.raises(StartError) as raised:
        load({name: "A:verysecret"}, {})
    assert "verysecret" not in raised.value.message
    assert "a-secret-of-length" not in repr(load({name: RIGHT[name]}, {}))
