"""How often something may be done."""

from __future__ import annotations

from camd.token_bucket import TokenBucket


def test_some_at_once_and_then_at_the_rate() -> None:
    """A full bucket is emptied, and one more token comes each half second."""
    bucket = TokenBucket(rate=2, most=3, now=10)
    assert [bucket.take(10) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(10.25)
    assert bucket.take(10.5)
    assert not bucket.take(10.5)


def test_no_more_is_saved_up_than_it_holds() -> None:
    """However long nothing was taken."""
    bucket = TokenBucket(rate=2, most=3, now=0)
    assert bucket.take(1000, 3)
    assert not bucket.take(1000)


def test_too_many_take_none() -> None:
    """What is refused costs nothing."""
    bucket = TokenBucket(rate=1, most=3, now=0)
    assert not bucket.take(0, 4)
    assert bucket.take(0, 3)
