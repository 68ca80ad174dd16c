"""Sealing: what is sealed opens with its key and whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilvi.core import sealing
from pilvi.core.sealing import CHUNK_BYTES, HEADER_BYTES, KEY_BYTES, SALT_BYTES, TAG_BYTES, Opener, SealBroken

KEY = bytes(range(KEY_BYTES))
SALT = b"s" * SALT_BYTES
EDGES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7)
SIZES = st.sampled_from(EDGES) | st.integers(0, 4 * CHUNK_BYTES)


def plain(size: int) -> bytes:
    return (b"%08d" * (size // 8 + 1) % tuple(range(size // 8 + 1)))[:size]


def opener(sealed: bytes, key: bytes = KEY) -> Opener:
    return Opener(key, lambda offset, length: sealed[offset : offset + length], len(sealed))


def whole(sealed: bytes, key: bytes = KEY) -> bytes:
    made = opener(sealed, key)
    assert sum(made.check()) == made.size
    return made.read(0, made.size)


@settings(max_examples=60, deadline=None)
@given(size=SIZES, data=st.data())
def test_any_range_of_any_size_opens(size, data):
    """Sealed in pieces of any length, a blob has the size that was foretold, and every range of it is what went in."""
    text = plain(size)
    sealer = sealing.Sealer(KEY, SALT)
    sealed, start = [sealer.header], 0
    while start < size:
        step = data.draw(st.integers(1, 2 * CHUNK_BYTES))
        sealed += sealer.update(text[start : start + step])
        start += step
    blob = b"".join((*sealed, sealer.finish()))
    assert len(blob) == sealing.sealed_size(size)
    assert sealing.plain_size(len(blob)) == size
    assert blob == sealing.seal(KEY, SALT, text)
    begin = data.draw(st.integers(0, size))
    end = data.draw(st.integers(begin, size))
    assert opener(blob).read(begin, end - begin) == text[begin:end]
    assert whole(blob) == text


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from(EDGES), data=st.data())
def test_what_was_changed_does_not_open(size, data):
    """One flipped bit anywhere is noticed."""
    blob = bytearray(sealing.seal(KEY, SALT, plain(size)))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        whole(bytes(blob))


@settings(max_examples=40, deadline=None)
@given(size=st.sampled_from((0, 1, 4096, CHUNK_BYTES)), data=st.data())
def test_a_blob_of_one_chunk_opens_at_once(size, data):
    """As it opens in ranges; and not once a bit of it was flipped, or under another key."""
    sealed = sealing.seal(KEY, SALT, plain(size))
    assert len(sealed) <= sealing.ONE_CHUNK_BYTES_MAX
    assert sealing.opened(KEY, sealed) == whole(sealed) == plain(size)
    broken = bytearray(sealed)
    at = data.draw(st.integers(0, len(broken) - 1))
    broken[at] ^= 1 << data.draw(st.integers(0, 7))
    for key, blob in ((KEY, bytes(broken)), (KEY, sealed[:at]), (KEY[::-1], sealed)):
        with pytest.raises(SealBroken):
            sealing.opened(key, blob)


def chunks(blob: bytes) -> list[bytes]:
    body, step = blob[HEADER_BYTES:], CHUNK_BYTES + TAG_BYTES
    return [body[at : at + step] for at in range(0, len(body), step)]


@pytest.mark.parametrize(
    "broken",
    [
        lambda head, parts: [head, *parts[:-1]],
        lambda head, parts: [head, *parts, parts[-1]],
        lambda head, parts: [head, parts[1], parts[0], *parts[2:]],
        lambda head, parts: [head, parts[0], parts[0], *parts[2:]],
        lambda head, parts: [head],
        lambda head, parts: [head[:-1]],
    ],
    ids=["cut", "repeated end", "swapped", "repeated", "no chunk", "no header"],
)
def test_chunks_have_their_place(broken):
    """Chunks that are authentic each, but not where they were, do not open."""
    blob = sealing.seal(KEY, SALT, plain(3 * CHUNK_BYTES))
    with pytest.raises(SealBroken):
        whole(b"".join(broken(blob[:HEADER_BYTES], chunks(blob))))


def test_chunks_of_another_blob_do_not_fit():
    """The same key and place, another blob: its chunk does not open here."""
    one, other = (sealing.seal(KEY, salt * SALT_BYTES, plain(2 * CHUNK_BYTES)) for salt in (b"1", b"2"))
    with pytest.raises(SealBroken):
        whole(b"".join((one[:HEADER_BYTES], chunks(other)[0], chunks(one)[1])))


def test_another_key_opens_nothing():
    """Neither a blob nor a wrapped key."""
    with pytest.raises(SealBroken):
        whole(sealing.seal(KEY, SALT, b"text"), b"x" * KEY_BYTES)
    with pytest.raises(SealBroken):
        sealing.unwrap(b"x" * KEY_BYTES, sealing.wrap(KEY, b"key", b"", b"n" * 12), b"")


@given(key=st.binary(max_size=100), context=st.binary(max_size=100))
def test_a_wrapped_key_opens_in_its_context_alone(key, context):
    """Key and context are bound to each other."""
    wrapped = sealing.wrap(KEY, key, context, b"n" * 12)
    assert sealing.unwrap(KEY, wrapped, context) == key
    with pytest.raises(SealBroken):
        sealing.unwrap(KEY, wrapped, context + b"x")
    with pytest.raises(SealBroken):
        sealing.unwrap(KEY, wrapped[:-1], context)


def test_secrets_have_a_purpose():
    """From one secret, another key for each purpose."""
    assert len({sealing.derive(KEY, purpose) for purpose in ("a", "b", "ab", "")}) == 4
