"""`pytest -m long tests/chaos`: adding, disturbed in every way at every moment, ends with an undisturbed run's rows.

A few of these runs are part of the ordinary tests. CHAOS_FIRST_SEED is the first seed, for other runs than the last.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chaos.world import World, adding, away, check, copy_of, kill_workers, make_world, moved
from library.disks import small_disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds workers in /proc")


def seeds(ordinary: int, long: int) -> pytest.MarkDecorator:
    """So many seeds in the ordinary tests, and so many where the long ones are asked for."""
    first = int(os.environ.get("CHAOS_FIRST_SEED", "0"))
    marked = [pytest.param(first + seed, marks=pytest.mark.long) for seed in range(ordinary, ordinary + long)]
    return pytest.mark.parametrize("seed", [*range(first, first + ordinary), *marked])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("chaos"), files=6, seconds=3.0)


def finish(world: World) -> None:
    """Call the same command again, undisturbed."""
    with adding(world) as run:
        pass
    assert run.returncode in (0, 1)


@seeds(1, 5)
def test_workers_are_killed_while_the_clock_jumps(world: World, seed: int) -> None:
    with adding(world, CHAOS_CLOCK_SEED=str(seed)) as run:
        killed = kill_workers(run, random.Random(seed), kills=6)
    assert killed
    assert run.returncode == 1, "the poisoned files failed"
    check(world)


@seeds(0, 4)
def test_the_run_itself_is_killed(world: World, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(4):
        with adding(world) as run:
            time.sleep(chance.uniform(0.1, 2.5))
            run.kill()
    finish(world)
    check(world)


@seeds(0, 4)
def test_the_music_is_taken_away_and_brought_back(world: World, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    own = copy_of(world, tmp_path)
    for _ in range(2):
        with adding(own) as run:
            time.sleep(chance.uniform(0.6, 2.0))
            elsewhere = away(own.music)
            time.sleep(chance.uniform(0.1, 4.0))
            elsewhere.rename(own.music)
        assert run.returncode in (0, 1)
    finish(own)
    check(own)


@seeds(0, 2)
def test_the_music_is_taken_away_for_good(world: World, tmp_path: Path, seed: int) -> None:
    own = copy_of(world, tmp_path)
    with adding(own) as run:
        time.sleep(random.Random(seed).uniform(0.6, 2.0))
        elsewhere = away(own.music)
    assert run.returncode == 1
    elsewhere.rename(own.music)
    finish(own)
    check(own)


@seeds(0, 4)
def test_the_storage_fails_for_a_while(world: World, seed: int) -> None:
    chance = random.Random(seed)
    flag = world.place / "the storage fails"
    with adding(world, CHAOS_STORAGE=os.pathsep.join((str(world.music), str(flag)))):
        for _ in range(2):
            time.sleep(chance.uniform(0.5, 1.5))
            flag.touch()
            time.sleep(chance.uniform(0.1, 2.5))
            flag.unlink()
    finish(world)
    check(world)


@seeds(0, 2)
def test_the_storage_fails_for_good(world: World, seed: int) -> None:
    flag = world.place / "the storage fails"
    with adding(world, CHAOS_STORAGE=os.pathsep.join((str(world.music), str(flag)))) as run:
        time.sleep(random.Random(seed).uniform(0.8, 1.5))
        flag.touch()
    flag.unlink()
    assert run.returncode == 1
    finish(world)
    check(world)


@seeds(0, 2)
def test_the_librarys_disk_is_full(world: World, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with small_disk(tmp_path / "disk") as disk:
        own = World(disk.folder, world.music, world.model, world.rows)
        disk.fill(chance.randrange(20_000, 400_000))
        for _ in range(2):
            with adding(own):
                time.sleep(chance.uniform(0.5, 2.0))
        (disk.folder / "filling").unlink()
        finish(own)
        check(own)


@seeds(0, 2)
def test_the_musics_disk_is_unmounted(world: World, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    own = copy_of(world, tmp_path / "own")
    mounted = World(tmp_path, tmp_path / "mounted", own.model, {})
    with small_disk(mounted.music) as disk:
        disk.unmount()
        bind = ["mount", "--bind", str(own.music), str(mounted.music)]
        subprocess.run(bind, check=True)
        with adding(mounted) as run:
            time.sleep(chance.uniform(0.6, 1.5))
            disk.unmount()
            time.sleep(chance.uniform(0.1, 3.0))
            subprocess.run(bind, check=True)
        assert run.returncode in (0, 1)
        finish(mounted)
        check(World(mounted.place, mounted.music, own.model, moved(own.rows, own.music, mounted.music)))
