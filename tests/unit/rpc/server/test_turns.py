"""Whose turn it is: the owner's with least, then who came first; and what becomes of those that give up."""

import asyncio

import pytest

from lastlayer.rpc.server.turns import MAX_WAITING, TooManyWaitError, Turns


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def begin(turns: Turns, owner: str, amount: int) -> "asyncio.Task[None]":
    task = asyncio.create_task(turns.take(owner, amount))
    await settle()
    return task


async def test_what_there_is_can_be_taken_at_once() -> None:
    turns = Turns(3)
    assert turns.take_now("a", 2)
    assert not turns.take_now("a", 2)
    assert turns.take_now("b", 1)
    turns.give_back("a", 2)
    assert turns.take_now("b", 2)


async def test_who_comes_first_has_the_first_turn() -> None:
    turns = Turns(1)
    assert turns.take_now("a", 1)
    first, second = await begin(turns, "b", 1), await begin(turns, "c", 1)
    turns.give_back("a", 1)
    await settle()
    assert (first.done(), second.done()) == (True, False)
    assert turns.is_awaited
    turns.give_back("b", 1)
    await second
    assert not turns.is_awaited


async def test_nobody_overtakes_those_that_wait() -> None:
    turns = Turns(2)
    assert turns.take_now("a", 1)
    waiting = await begin(turns, "b", 2)
    assert not turns.take_now("c", 1)
    small = await begin(turns, "c", 1)
    turns.give_back("a", 1)
    await settle()
    assert (waiting.done(), small.done()) == (True, False)
    turns.give_back("b", 2)
    await small


async def test_the_owner_with_least_comes_before_those_that_were_there_first() -> None:
    turns = Turns(2)
    assert turns.take_now("flood", 1)
    assert turns.take_now("flood", 1)
    more, other = await begin(turns, "flood", 1), await begin(turns, "other", 1)
    turns.give_back("flood", 1)
    await settle()
    assert (more.done(), other.done()) == (False, True)
    turns.give_back("flood", 1)
    await more


async def test_an_owner_leaves_something_to_others() -> None:
    turns = Turns(4, most_each=3)
    assert turns.take_now("flood", 3)
    waiting = await begin(turns, "flood", 1)
    other = await begin(turns, "other", 1)
    assert (waiting.done(), other.done()) == (False, True)
    turns.give_back("flood", 3)
    await waiting


async def test_all_there_is_will_do_for_more() -> None:
    turns = Turns(10, most_each=8)
    await turns.take("a", 1000)
    assert turns.take_now("b", 2)
    assert not turns.take_now("b", 1)
    turns.give_back("a", 1000)
    assert turns.take_now("b", 6)


async def test_who_gives_up_takes_nothing_and_lets_others_past() -> None:
    turns = Turns(2)
    assert turns.take_now("a", 1)
    large, small = await begin(turns, "b", 2), await begin(turns, "c", 1)
    large.cancel()
    await small
    with pytest.raises(asyncio.CancelledError):
        await large
    turns.give_back("a", 1)
    turns.give_back("c", 1)
    assert turns.take_now("d", 2)


async def test_who_gives_up_just_as_the_turn_comes_gives_it_on() -> None:
    turns = Turns(1)
    assert turns.take_now("a", 1)
    first, second = await begin(turns, "b", 1), await begin(turns, "c", 1)
    turns.give_back("a", 1)
    first.cancel()  # it has not run since
    await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_too_many_are_sent_away() -> None:
    turns = Turns(1)
    assert turns.take_now("a", 1)
    waiting = [asyncio.create_task(turns.take("b", 1)) for _ in range(MAX_WAITING)]
    await settle()
    with pytest.raises(TooManyWaitError):
        await turns.take("c", 1)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    turns.give_back("a", 1)
    assert turns.take_now("c", 1)
