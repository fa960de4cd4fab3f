"""The Ray engine on a cluster of several nodes on this machine, one of which is killed while it works."""

import importlib.util
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from library.poison import write_good, write_poison
from library.test_killed import make_logged

from earmark.audio.identity import identity
from earmark.errors import LibraryError, MissingExtraError
from earmark.library import cluster as cluster_module
from earmark.library.adding import Progress
from earmark.library.jobs import WorkerSetup
from earmark.library.library import Library
from earmark.library.scan import walk
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import Limits


@pytest.fixture
def cluster(ray_alone: None) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_node_killed_on_the_way_loses_and_doubles_nothing(cluster: Any, tagger: Tagger, tmp_path: Path) -> None:
    nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    cluster.wait_for_nodes()
    write_good(tmp_path / "music", files=40, samples=600_000)
    expected = write_poison(tmp_path / "music" / "poison")
    killed: list[int] = []

    def watch(progress: Progress) -> None:
        if progress.done >= 12 and not killed:
            cluster.remove_node(nodes[0], allow_graceful=False)
            killed.append(progress.done)

    def on_cluster(setup: WorkerSetup) -> cluster_module.RayEngine:
        return cluster_module.RayEngine(setup, 3, cluster.address)

    make_logged(tmp_path / "music.earmark")
    with Library(tmp_path / "music.earmark", tagger) as library:
        added = library.add(tmp_path / "music", engine=on_cluster, watch=watch)
        assert killed, "while there was work"
        bad = {name for name, reason in expected.items() if reason}
        assert {Path(path).name for path, _ in added.failed} == bad
        for path, reason in added.failed:
            assert expected[Path(path).name] in reason
        good = {
            file.path: identity(file.path)
            for file in walk([tmp_path / "music"]).files
            if Path(file.path).name not in bad
        }
        assert len(library) == added.recordings == len(set(good.values()))
        for path, name in good.items():
            assert library.track(path).identity == name
        written = Counter(name for (name,) in library.store.rows("SELECT identity FROM written"))
        assert set(written.values()) == {1}
        assert written.keys() == set(good.values())


@pytest.mark.slow
def test_in_a_process_of_its_own_where_usearch_was_first() -> None:
    if "usearch" not in sys.modules or "ray" in sys.modules:
        pytest.skip("Ray can be first in this process: the tests run in it")
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra cluster")
    here = Path(__file__).parent
    tests = [str(here / "test_cluster.py"), str(here / "test_workers.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "slow", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_usearch_before_ray_is_told(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usearch", sys)
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    with pytest.raises(
        LibraryError, match=r"found usearch already imported \(by `similar`\), expected Ray to be imported first"
    ):
        cluster_module.RayEngine(WorkerSetup(tagger.bundle, None, Limits(), False))


@pytest.mark.slow
def test_no_cluster_at_the_address_is_told(tagger: Tagger, ray_alone: None) -> None:
    with pytest.raises(LibraryError, match="no cluster can be reached"):
        cluster_module.RayEngine(WorkerSetup(tagger.bundle, None, Limits(), False), 1, "127.0.0.1:1")


def test_without_ray_there_is_the_line_that_installs_it(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "usearch", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "earmark\[cluster\]"'):
        cluster_module.RayEngine(WorkerSetup(tagger.bundle, None, Limits(), False))
