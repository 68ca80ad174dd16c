"""The aws-chunked coding: AWS's published examples, every form signed here and decoded there, and what is refused."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilvi.core.errors import CloudError
from pilvi.wire.aws_chunked import SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, AwsChunkedDecoder
from pilvi.wire.sigv4 import EMPTY_SHA256, Signed, signing_key

KEY = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1", "s3")
SCOPE = "20130524/us-east-1/s3/aws4_request"
TIME = "20130524T000000Z"
CHECKSUM = "x-amz-checksum-crc32c"
CODES = {"IncompleteBody", "SignatureDoesNotMatch", "InvalidChunkSizeError", "MalformedTrailerError"}


def published(seed: str, chunks: tuple[str, str, str], end: bytes) -> tuple[Signed, bytes]:
    body = b"10000;chunk-signature=%b\r\n%b\r\n400;chunk-signature=%b\r\n%b\r\n0;chunk-signature=%b\r\n%b" % (
        chunks[0].encode(), b"a" * 65536, chunks[1].encode(), b"a" * 1024, chunks[2].encode(), end,
    )  # fmt: skip
    return Signed(KEY, TIME, SCOPE, seed), body


# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
PLAIN = published(
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    (
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ),
    b"\r\n",
)
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
TRAILER_SIGNATURE = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
TRAILING = published(
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    (
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ),
    f"{CHECKSUM}:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER_SIGNATURE}\r\n\r\n".encode(),
)


def decode(decoder: AwsChunkedDecoder, body: bytes, step: int = 1 << 30) -> bytes:
    content = b""
    for at in range(0, len(body), step):
        content += b"".join(decoder.feed(body[at : at + step]))
    decoder.finish()
    return content


def refused(decoder: AwsChunkedDecoder, body: bytes) -> str:
    with pytest.raises(CloudError) as caught:
        decode(decoder, body)
    return caught.value.code


@pytest.mark.parametrize("step", [1, 7, 64, 70_000])
def test_the_published_examples(step: int) -> None:
    """Both decode, however they are cut, and the trailer is there."""
    signed, body = PLAIN
    assert decode(AwsChunkedDecoder(SIGNED, 66560, signed), body, step) == b"a" * 66560
    signed, body = TRAILING
    decoder = AwsChunkedDecoder(SIGNED_TRAILER, 66560, signed, frozenset({CHECKSUM}))
    assert decode(decoder, body, step) == b"a" * 66560
    assert decoder.trailers == {CHECKSUM: "sOO8/Q=="}


def test_no_byte_of_a_signed_body_can_be_changed() -> None:
    """Content, sizes, signatures, trailers: whichever byte is another one, the body is refused."""
    signed, body = TRAILING
    second = body.index(b"400;")
    for at in (*range(90), *range(90, second, 9973), *range(second, second + 90), *range(len(body) - 400, len(body))):
        damaged = bytearray(body)
        damaged[at] ^= 1
        decoder = AwsChunkedDecoder(SIGNED_TRAILER, 66560, signed, frozenset({CHECKSUM}))
        assert refused(decoder, bytes(damaged)) in CODES, at


def test_chunks_cannot_be_left_out_or_exchanged() -> None:
    """Each signature covers the one before."""
    signed, body = PLAIN
    chunks = body.split(b"0055627c")
    first_only = chunks[0].rsplit(b"\r\n", 1)[0] + b"\r\n" + body[body.index(b"0;chunk-signature=b6c6") :]
    assert refused(AwsChunkedDecoder(SIGNED, 65536, signed), first_only) == "SignatureDoesNotMatch"


# -- a signer of our own, for any content ------------------------------------------------------------------------------


def encode(form: str, pieces: list[bytes], trailers: dict[str, str]) -> bytes:
    previous = "00" * 32

    def sign(algorithm: str, what: str) -> str:
        nonlocal previous
        text = f"{algorithm}\n{TIME}\n{SCOPE}\n{previous}\n{what}"
        previous = hmac.digest(KEY, text.encode(), "sha256").hex()
        return previous

    out = b""
    for piece in [*pieces, b""]:
        extension = ""
        if form != UNSIGNED_TRAILER:
            signature = sign("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{hashlib.sha256(piece).hexdigest()}")
            extension = f";chunk-signature={signature}"
        out += f"{len(piece):x}{extension}\r\n".encode() + (piece + b"\r\n" if piece else b"")
    for name, value in trailers.items():
        out += f"{name}:{value}\r\n".encode()
    if form == SIGNED_TRAILER:
        hashed = hashlib.sha256("".join(f"{n}:{v}\n" for n, v in trailers.items()).encode()).hexdigest()
        out += f"x-amz-trailer-signature:{sign('AWS4-HMAC-SHA256-TRAILER', hashed)}\r\n".encode()
    return out + b"\r\n"


SEED = Signed(KEY, TIME, SCOPE, "00" * 32)


@given(
    form=st.sampled_from([SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER]),
    sizes=st.lists(st.integers(8192, 20_000), max_size=3),
    last=st.integers(0, 9000),
    step=st.sampled_from([1, 5, 100, 8192, 100_000]),
    named=st.booleans(),
)
def test_every_form_decodes_to_what_was_encoded(form: str, sizes: list[int], last: int, step: int, named: bool) -> None:
    """In chunks of any allowed size, cut anywhere."""
    pieces = [bytes([number]) * size for number, size in enumerate([*sizes, last]) if size]
    trailers = {CHECKSUM: "AAAAAA=="} if named and form != SIGNED else {}
    content = b"".join(pieces)
    if step < 100 and len(content) > 20_000:
        step = 997
    decoder = AwsChunkedDecoder(form, len(content), SEED, frozenset(trailers))
    assert decode(decoder, encode(form, pieces, trailers), step) == content
    assert decoder.trailers == trailers


@pytest.mark.parametrize("form", [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER])
def test_only_the_last_chunk_may_be_small(form: str) -> None:
    """As S3 has it."""
    body = encode(form, [b"a" * 8191, b"b"], {})
    assert refused(AwsChunkedDecoder(form, 8192, SEED), body) == "InvalidChunkSizeError"


@pytest.mark.parametrize("length", [9, 11])
def test_the_content_is_as_long_as_announced(length: int) -> None:
    """Neither shorter nor longer."""
    body = encode(UNSIGNED_TRAILER, [b"a" * 10], {})
    assert refused(AwsChunkedDecoder(UNSIGNED_TRAILER, length, None), body) == "IncompleteBody"


@given(st.integers(0, 200))
def test_a_body_that_ends_early_is_incomplete(cut: int) -> None:
    """Wherever it ends."""
    body = encode(UNSIGNED_TRAILER, [b"a" * 100], {CHECKSUM: "AAAAAA=="})
    decoder = AwsChunkedDecoder(UNSIGNED_TRAILER, 100, None, frozenset({CHECKSUM}))
    if cut < len(body):
        assert refused(decoder, body[:cut]) == "IncompleteBody"
    else:
        decode(decoder, body)


BROKEN = {
    "no size": (b"\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    "size with a sign": (b"+3\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    "bare LF": (b"3\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    "longer than its size": (b"3\r\nabcd\r\n0\r\n\r\n", "IncompleteBody"),
    "a signature where none belongs": (b"3;chunk-signature=" + b"0" * 64 + b"\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    "an endless line": (b"3" * 10_000, "IncompleteBody"),
    "something after the end": (b"3\r\nabc\r\n0\r\n\r\nmore\r\n", "IncompleteBody"),
    "a trailer that is none": (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c\r\n\r\n", "MalformedTrailerError"),
    "a trailer that was not announced": (b"3\r\nabc\r\n0\r\nx-other:1\r\n\r\n", "MalformedTrailerError"),
    "a trailer twice": (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:a\r\nx-amz-checksum-crc32c:b\r\n\r\n", "MalformedTrailerError"),
    "an announced trailer that does not come": (b"3\r\nabc\r\n0\r\n\r\n", "MalformedTrailerError"),
    "an endless trailer": (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:" + b"a" * 100_000, "IncompleteBody"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "code"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_refused(body: bytes, code: str) -> None:
    """With S3's code, and without keeping more of it than a line."""
    decoder = AwsChunkedDecoder(UNSIGNED_TRAILER, 3, None, frozenset({CHECKSUM}))
    assert refused(decoder, body) == code


def test_a_trailer_needs_its_signature() -> None:
    """In the signed form, a missing one is a wrong one."""
    body = encode(SIGNED_TRAILER, [b"abc"], {CHECKSUM: "AAAAAA=="})
    cut = body[: body.index(b"x-amz-trailer-signature")] + b"\r\n\r\n"
    decoder = AwsChunkedDecoder(SIGNED_TRAILER, 3, SEED, frozenset({CHECKSUM}))
    assert refused(decoder, cut) in {"SignatureDoesNotMatch", "IncompleteBody"}


@given(st.binary(max_size=300), st.sampled_from([SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER]))
def test_no_bytes_break_the_decoder(body: bytes, form: str) -> None:
    """Any bytes are content or refused in S3's words."""
    decoder = AwsChunkedDecoder(form, 3, SEED)
    code = ""
    try:
        decode(decoder, body, 13)
    except CloudError as error:
        code = error.code
    assert code in {"", *CODES}
