"""Session tokens: what they carry, and that nobody else can make one."""

import base64

import pytest

from harness import SeededIds
from pilvi.identity.tokens import BadToken, Tokens
from policies import BOB, NOW_MS, SESSION

KEY = bytes(range(32))


@pytest.fixture
def tokens():
    return Tokens({1: KEY}, 1, SeededIds())


def test_a_token_brings_back_its_caller(tokens):
    """Everything that makes the caller, and the expiry and key id of this session."""
    made = tokens.issue(SESSION, 900, NOW_MS)
    caller, secret = tokens.open(made.access_key_id, made.token)
    assert made.access_key_id.startswith("ASIA")
    assert len(made.access_key_id) == 20
    assert secret == made.secret
    assert len(secret) == 40
    assert (caller.arn, caller.user_id, caller.identity_arn) == (SESSION.arn, SESSION.user_id, SESSION.identity_arn)
    assert caller.access_key_id == made.access_key_id
    assert caller.session_expires_ms == made.expires_ms == NOW_MS + 900_000


def test_a_token_belongs_to_its_access_key(tokens):
    """Another session's token opens nothing."""
    first, second = tokens.issue(BOB, 900, NOW_MS), tokens.issue(SESSION, 900, NOW_MS)
    with pytest.raises(BadToken):
        tokens.open(first.access_key_id, second.token)


def test_every_byte_is_protected(tokens):
    """No byte of a token can be changed, and none left off."""
    made = tokens.issue(BOB, 900, NOW_MS)
    raw = base64.urlsafe_b64decode(made.token + "=" * (-len(made.token) % 4))
    for place in range(len(raw)):
        forged = bytearray(raw)
        forged[place] ^= 1
        with pytest.raises(BadToken):
            tokens.open(made.access_key_id, base64.urlsafe_b64encode(bytes(forged)).decode().rstrip("="))
    for length in range(0, len(raw), 7):
        with pytest.raises(BadToken):
            tokens.open(made.access_key_id, base64.urlsafe_b64encode(raw[:length]).decode().rstrip("="))


def test_a_token_is_written_in_one_way(tokens):
    """Nothing can be put into it that decoding passes over: each spelling would be remembered by itself."""
    made = tokens.issue(BOB, 900, NOW_MS)
    for other in (made.token + "=", made.token[:5] + "." + made.token[5:], made.token + "\n", made.token + "AA"):
        with pytest.raises(BadToken):
            tokens.open(made.access_key_id, other)


@pytest.mark.parametrize("token", ["", "x", "AAAA", "ä", "=" * 100, "A" * 40_000, "%%%%"])
def test_garbage_is_a_bad_token(tokens, token):
    """Never a failure of ours."""
    with pytest.raises(BadToken):
        tokens.open("ASIAAAAAAAAAAAAAAAAA", token)


def test_another_master_key_makes_other_sessions(tokens):
    """Neither token nor secret can be made without the key."""
    made = tokens.issue(BOB, 900, NOW_MS)
    with pytest.raises(BadToken):
        Tokens({1: bytes(32)}, 1, SeededIds()).open(made.access_key_id, made.token)
    assert Tokens({1: bytes(32)}, 1, SeededIds()).issue(BOB, 900, NOW_MS).secret != made.secret


def test_a_new_master_key_lets_old_sessions_run_out(tokens):
    """While the old key is still known by its version."""
    made = tokens.issue(BOB, 900, NOW_MS)
    renewed = Tokens({1: KEY, 2: bytes(32)}, 2, SeededIds())
    assert renewed.open(made.access_key_id, made.token)[1] == made.secret
    newer = renewed.issue(BOB, 900, NOW_MS)
    with pytest.raises(BadToken):
        tokens.open(newer.access_key_id, newer.token)


@pytest.mark.parametrize(
    ("keys", "current"), [({}, 1), ({1: KEY}, 2), ({1: b"short"}, 1), ({0: KEY}, 0), ({256: KEY}, 256)]
)
def test_keys_must_be_usable(keys, current):
    """Long enough, with a version that fits one byte, the current one among them."""
    with pytest.raises(ValueError, match="master keys"):
        Tokens(keys, current, SeededIds())
