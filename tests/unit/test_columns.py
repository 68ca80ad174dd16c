"""Lists by columns: read as dicts, written by the wire as if they were."""

from __future__ import annotations

import pytest

from pilvi.core.columns import Columns
from pilvi.wire import protocol

MANY = Columns({"Key": [f"<{number}>" for number in range(20)], "Size": list(range(20))})


def test_columns_are_a_sequence_of_dicts():
    """By index, by slice, in turn; equal to the list that says the same."""
    assert MANY[3] == {"Key": "<3>", "Size": 3}
    assert list(MANY[1:3]) == [{"Key": "<1>", "Size": 1}, {"Key": "<2>", "Size": 2}]
    assert list(MANY)[-1] == MANY[-1]
    assert list(MANY) == MANY
    assert not Columns({"Key": []})
    with pytest.raises(IndexError):
        MANY[20]


@pytest.mark.parametrize("length", [0, 1, 7, 8, 20])
def test_the_wire_writes_columns_as_it_writes_dicts(length):
    """The same bytes, few or many, escaped alike."""
    codec = protocol.codec("s3", "rest-xml")
    answers = [
        codec.serialise("ListObjectsV2", {"Contents": entries}, "id").body
        for entries in (MANY[:length], list(MANY[:length]))
    ]
    assert answers[0] == answers[1]
    assert (b"&lt;0&gt;" in answers[0]) == bool(length)


@pytest.mark.parametrize("kinds", [["CRC32"], ["CRC32", "SHA256"]])
def test_what_is_the_same_in_all_entries_is_written_into_each(kinds):
    """Lists in a column, all the same or not: the same bytes as one entry after the other gives."""
    count = 20
    columns = Columns(
        {
            "Key": list(map(str, range(count))),
            "ChecksumAlgorithm": [[kinds[number % len(kinds)]] for number in range(count)],
            "Owner": [{"ID": f"<{number % len(kinds)}>"} for number in range(count)],
        }
    )
    codec = protocol.codec("s3", "rest-xml")
    whole = codec.serialise("ListObjectsV2", {"Contents": columns}, "id").body
    single = [codec.serialise("ListObjectsV2", {"Contents": [entry]}, "id").body for entry in columns]
    entries = [each[each.index(b"<Contents>") : each.index(b"</ListBucketResult>")] for each in single]
    assert whole[whole.index(b"<Contents>") : whole.index(b"</ListBucketResult>")] == b"".join(entries)
    assert whole.count(b"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm>") == count // len(kinds)
    assert whole.count(b"<ID>&lt;0&gt;</ID>") == count // len(kinds)
