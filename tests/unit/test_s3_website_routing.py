"""Where a website's redirects lead."""

from __future__ import annotations

import pytest

from pilvi.services.s3.website.routing import folder


@pytest.mark.parametrize(
    ("key", "location"),
    [
        ("about", "/about/"),
        ("a/b", "/a/b/"),
        ("a b", "/a%20b/"),
        ("/elsewhere.example", "/%2Felsewhere.example/"),
        ("//elsewhere.example", "/%2F/elsewhere.example/"),
    ],
)
def test_a_folder_is_on_the_same_host(key, location):
    """A key that begins with a slash is no other host's name."""
    assert folder(key) == location
