"""Lifecycle rules as pure functions: of any rules, any versions and any time."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pilvi.services.s3.lifecycle.parse import parse_rule, show_rule
from pilvi.services.s3.lifecycle.records import Lifecycle, Move, Rule
from pilvi.services.s3.lifecycle.rules import (
    REMOVE,
    due_current,
    due_marker,
    due_older,
    expiry,
    means,
    midnight_after,
    spans,
)
from pilvi.services.s3.lifecycle.transitions import DEPTH, TARGETS, may_move
from pilvi.services.s3.records import OlderVersion, StoredObject

DAY_MS = 86_400_000
moments = st.integers(0, 2_000_000_000_000)
day_lengths = st.sampled_from([1_000, 10_000, DAY_MS])
days = st.integers(1, 400)
keys = st.text(st.sampled_from("ab/"), max_size=4)
tags = st.dictionaries(st.sampled_from("tu"), st.sampled_from("12"), max_size=2)
classes = st.sampled_from(["", *sorted(TARGETS)])

objects = st.builds(
    StoredObject,
    bucket=st.just(1),
    key=keys.map(lambda key: f"k{key}"),
    size=st.integers(0, 300_000),
    modified_ms=moments,
    etag=st.just(""),
    tags=tags,
    storage_class=classes,
)
all_moves = st.lists(
    st.builds(Move, to=st.sampled_from(sorted(TARGETS)), days=st.integers(0, 400), kept=st.integers(0, 3)), max_size=3
).map(tuple)
rules = st.builds(
    Rule,
    id=st.text(st.sampled_from("xyz"), min_size=1, max_size=3),
    enabled=st.booleans(),
    form=st.just("all"),
    prefix=st.none() | keys.map(lambda key: f"k{key}"),
    tags=tags.map(lambda found: tuple(found.items())),
    larger=st.none() | st.integers(0, 300_000),
    smaller=st.none() | st.integers(1, 300_000),
    expire_days=st.none() | days,
    expire_date_ms=st.none() | moments,
    expire_markers=st.none() | st.booleans(),
    older_days=st.none() | days,
    older_kept=st.integers(0, 3),
    moves=all_moves,
    older_moves=all_moves,
)
configs = st.builds(
    Lifecycle,
    bucket=st.just(1),
    generation=st.just(1),
    rules=st.lists(rules, max_size=4).map(tuple),
    small_move=st.booleans(),
)


@given(moments, days, day_lengths)
def test_an_age_ends_at_a_midnight_and_not_too_early(moment: int, number: int, day: int) -> None:
    """At a midnight, no less than so many days later, and less than a day after that."""
    end = midnight_after(moment, number, day)
    assert end % day == 0
    assert number * day <= end - moment < (number + 1) * day


@given(configs, objects, moments, day_lengths, st.booleans())
def test_what_is_due_stays_due(config: Lifecycle, found: StoredObject, now: int, day: int, versioned: bool) -> None:
    """Time only adds to it: what is to be removed is to be removed later too, and moves only go further down."""
    first = due_current(config, found, now, day, versioned=versioned)
    later = due_current(config, found, now + 5 * day, day, versioned=versioned)
    if first is None:
        return
    assert later is not None
    if first is REMOVE and not versioned:
        assert later is REMOVE
    if first.to and later.to:
        assert DEPTH[later.to] >= DEPTH[first.to]


@given(configs, objects, moments, day_lengths)
def test_the_answer_foretells_the_end(config: Lifecycle, found: StoredObject, now: int, day: int) -> None:
    """Without versions an object is removed exactly from the moment on that answers tell of."""
    end = expiry(config.rules, found, day)
    removed = due_current(config, found, now, day, versioned=False) is REMOVE
    assert removed is (end is not None and end[0] <= now)
    if end is not None:
        assert any(rule.id == end[1] and means(rule, found) for rule in config.rules)


@given(configs, objects, moments, day_lengths)
def test_moves_go_down_alone(config: Lifecycle, found: StoredObject, now: int, day: int) -> None:
    """Whatever the rules: after a move nothing moves back, and the same move is not due again."""
    due = due_current(config, found, now, day, versioned=True)
    if due is None or not due.to:
        return
    assert may_move(found.storage_class, due.to)
    moved = msgspec.structs.replace(found, storage_class=due.to)
    again = due_current(config, moved, now, day, versioned=True)
    assert again is None or not again.to or DEPTH[again.to] > DEPTH[due.to]


@given(configs, objects, moments, st.integers(0, 5), moments, day_lengths)
def test_newer_versions_never_save_older_ones(
    config: Lifecycle, found: StoredObject, superseded: int, newer: int, now: int, day: int
) -> None:
    """One more newer version only makes it more due; and nothing is removed before its time."""
    row = OlderVersion(1, found.key, -5, "v", superseded, found)
    first, then = (due_older(config, row, number, now, day) for number in (newer, newer + 1))
    if first is REMOVE:
        assert then is REMOVE
        assert any(
            means(rule, found)
            and rule.older_days is not None
            and newer >= rule.older_kept
            and now - superseded >= rule.older_days * day
            for rule in config.rules
        )


@given(configs, objects, moments, day_lengths)
def test_disabled_rules_do_nothing(config: Lifecycle, found: StoredObject, now: int, day: int) -> None:
    """As if they were not there."""
    enabled = msgspec.structs.replace(config, rules=tuple(rule for rule in config.rules if rule.enabled))
    row = OlderVersion(1, found.key, -5, "v", 1, found)
    assert due_current(config, found, now, day, versioned=True) == due_current(enabled, found, now, day, versioned=True)
    assert due_older(config, row, 3, now, day) == due_older(enabled, row, 3, now, day)
    assert due_marker(config, found, now, day) == due_marker(enabled, found, now, day)


@given(st.lists(keys), keys)
def test_spans_hold_what_their_prefixes_hold(prefixes: list[str], key: str) -> None:
    """Exactly those keys, each once, in order."""
    found = spans(prefixes)
    assert sum(key.startswith(span) for span in found) == any(key.startswith(prefix) for prefix in prefixes)
    assert found == sorted(found)


some_tags = st.lists(
    st.fixed_dictionaries({"Key": st.sampled_from("abc"), "Value": st.text(max_size=3)}),
    min_size=2,
    unique_by=lambda tag: tag["Key"],
)
filters = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"Prefix": keys}),
    st.fixed_dictionaries({"Tag": st.fixed_dictionaries({"Key": st.just("k"), "Value": keys})}),
    st.fixed_dictionaries({"ObjectSizeGreaterThan": st.integers(0, 2**40)}),
    st.fixed_dictionaries({"And": st.fixed_dictionaries({"Prefix": keys, "Tags": some_tags})}),
)
expirations = st.one_of(
    st.fixed_dictionaries({"Days": st.integers(100, 2**31 - 1)}),
    st.fixed_dictionaries({"Date": st.integers(0, 40_000).map(lambda day: datetime.fromtimestamp(day * 86_400, UTC))}),
)


@given(filters, expirations, st.sampled_from(["Enabled", "Disabled"]), st.text("xyz ", min_size=1, max_size=255))
def test_a_rule_is_shown_as_it_came(
    condition: dict[str, object], end: dict[str, object], status: str, name: str
) -> None:
    """Written, read and written again: the same words."""
    given_rule = {"ID": name, "Filter": condition, "Status": status, "Expiration": end}
    assert show_rule(parse_rule(given_rule, lambda: "new")) == given_rule
