"""Places: the share of each project, and the answer to a request that gets none."""

import asyncio

import pytest

from app.api.admission import Places
from app.domain.errors import ServiceBusy


async def hold(places: Places, project: str, held: list[str], end: asyncio.Event) -> None:
    async with places.take(project):
        held.append(project)
        await end.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def held_by(wanted: list[str], *, n: int, share: int) -> list[str]:
    """Return who holds a place once nobody makes progress."""
    places, held, end = Places(n, share, 30), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(hold(places, project, held, end)) for project in wanted]
    await settle()
    got = list(held)
    end.set()
    await asyncio.gather(*tasks)
    assert sorted(held) == sorted(wanted), "everyone gets a place in the end"
    return got


def test_a_project_gets_no_more_than_its_share() -> None:
    assert asyncio.run(held_by(["a"] * 9 + ["b"], n=4, share=2)) == ["a", "a", "b"]


def test_all_projects_together_get_no_more_than_there_are() -> None:
    wanted = ["a", "a", "b", "b", "c"]
    assert asyncio.run(held_by(wanted, n=4, share=2)) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("first", ["a", "b"], ids=["its own share", "all places"])
def test_who_gets_none_in_time_is_refused_and_leaves_nothing_behind(first: str) -> None:
    async def try_it() -> None:
        places, end = Places(1, 1, patience_seconds=0.01), asyncio.Event()
        holding = asyncio.create_task(hold(places, first, [], end))
        await settle()
        with pytest.raises(ServiceBusy, match="No place became free within"):
            async with places.take("a"):
                pass
        end.set()
        await holding
        async with places.take("a"):
            pass

    asyncio.run(try_it())


def test_what_runs_has_a_thread_for_each_place() -> None:
    async def try_it() -> None:
        places = Places(2, 2, 30)
        both = asyncio.Barrier(2)
        loop = asyncio.get_running_loop()

        def meet() -> None:
            asyncio.run_coroutine_threadsafe(both.wait(), loop).result(10)

        await asyncio.gather(places.run("a", meet), places.run("b", meet))

    asyncio.run(try_it())
