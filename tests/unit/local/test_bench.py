from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from scripts.local import bench_peers
from scripts.local.bench_figures import Figure, figure_json, median_figure
from scripts.local.bench_graphs import definition_of, input_of, overhead_figures, path_figure, processor_times
from scripts.local.bench_operations import Operations, sort_writes
from scripts.local.bench_peers import PeersMissing, peers_environment, ratio_figures
from scripts.local.bench_shapes import CHAIN, FAN_100, FAN_500, GRID, JOBS, Job, Shape
from shared.domain.definitions import AgentDefinition
from shared.domain.writes import Create, Delete, Update, Write

NODE, LEASE = "runs/r/nodes/n~0", "leases/r~n~0~1"
JOURNAL, SEGMENT = f"{NODE}/journal/result-0", f"{NODE}/segments/0000-0001-000001"
JOIN = "runs/r/joins/n~0"


@pytest.mark.parametrize(
    ("shape", "nodes", "path"), [(CHAIN, 20, 1.0), (FAN_100, 102, 0.15), (FAN_500, 502, 0.15), (GRID, 100, 0.5)]
)
def test_a_shape_has_the_nodes_of_its_layers_and_a_path_through_each(shape: Shape, nodes: int, path: float) -> None:
    assert shape.nodes == nodes
    assert shape.critical_path(0.05) == pytest.approx(path)


def test_overhead_is_what_goes_beyond_the_critical_path_per_node() -> None:
    assert Shape("two", (1, 1)).overhead(0.3, 0.05) == pytest.approx(100)
    assert Job(CHAIN, pauses=False).overhead(0.2) == pytest.approx(10)
    assert Job(CHAIN, pauses=True).overhead(1.2) == pytest.approx(10)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.label)
def test_the_graph_that_is_measured_has_the_nodes_that_are_counted(job: Job) -> None:
    definition = AgentDefinition.model_validate(definition_of(job, "http://127.0.0.1:9/"))
    assert definition.graph is not None
    items = input_of(job.shape)
    widths = [
        len(items[node.over.split("input.")[1].removesuffix(" }}")]) if node.kind == "map" else 1
        for node in definition.graph.nodes.values()
    ]
    assert sum(widths) == job.shape.nodes


def test_every_node_of_a_layer_waits_for_all_of_the_layer_before() -> None:
    definition = AgentDefinition.model_validate(definition_of(Job(GRID, pauses=False), ""))
    assert definition.graph is not None
    before = tuple(f"node3_{place}" for place in range(10))
    assert all(definition.graph.nodes[f"node4_{place}"].after == before for place in range(10))


def test_a_figure_is_the_median_with_its_spread_and_passes_within_its_mark() -> None:
    figure = median_figure("waits", [3.0, 1.0, 2.0], "ms", mark=2)
    assert (figure.value, figure.spread, figure.passes) == (2.0, (1.0, 3.0), True)
    assert figure_json([Figure("over", 3, "ms", mark=2), Figure("free", 3, "ms")])[0]["passes"] is False
    assert Figure("free", 3, "ms").passes is None


def test_each_engines_overheads_stand_for_themselves_and_ratios_compare_medians() -> None:
    walls = {("Fireloom", job): [job.shape.critical_path(job.node_seconds) + 0.2] for job in JOBS}
    walls |= {
        (peer, job): [job.shape.critical_path(job.node_seconds) + 0.1] for job in JOBS for peer in ("DBOS queue", "x")
    }
    assert [figure.value for figure in overhead_figures(walls, "x")] == pytest.approx(
        [100 / job.shape.nodes for job in JOBS]
    )
    ratios = ratio_figures(walls, ["DBOS queue", "x"])
    assert [figure.value for figure in ratios] == pytest.approx([2.0] * 2 * len(JOBS))
    assert [figure.passes for figure in ratios] == [False] * len(JOBS) + [None] * len(JOBS)


def test_the_widest_graph_is_measured_against_its_critical_path() -> None:
    figure = path_figure({("Fireloom", Job(FAN_500, pauses=True)): [3.0]})
    assert (figure.value, figure.passes) == (pytest.approx(20), True)


async def test_processor_time_is_what_a_process_used_while_the_graph_ran_over_its_nodes() -> None:
    async def execute(job: Job) -> float:
        begun = time.process_time()
        while time.process_time() - begun < 0.1:
            pass
        return job.node_seconds

    (figure,) = await processor_times({"this process": os.getpid()}, execute)
    assert figure.value >= 100 / FAN_500.nodes - 10 / FAN_500.nodes  # the system counts in steps of ten milliseconds


@pytest.mark.parametrize(
    ("writes", "sorted_"),
    [
        ([Create(NODE, {}), Create(LEASE, {})], Operations(writes=2)),
        ([Create(JOURNAL, {}), Update(LEASE, {})], Operations(records=2)),
        ([Create(SEGMENT, {}), Update(LEASE, {})], Operations(records=2)),
        ([Update(LEASE, {})], Operations(writes=1)),
        ([Delete(LEASE), Update(JOIN, {}), Update(NODE, {})], Operations(writes=2, deletes=1)),
        ([Update(f"{JOIN}.each.3", {}), Update(JOIN, {})], Operations(shards=2)),
        ([Delete(LEASE), Update(NODE, {}), Create(SEGMENT, {})], Operations(writes=1, deletes=1, records=1)),
    ],
    ids=["claim", "result", "text", "beat", "finish", "add a shard", "finish with text"],
)
def test_writes_are_sorted_by_what_they_are_for(writes: list[Write], sorted_: Operations) -> None:
    assert sort_writes(writes) == sorted_


def test_what_one_more_node_costs_is_a_difference_over_nodes() -> None:
    few, many = Operations(reads=10, writes=20), Operations(reads=30, writes=60, refused=1)
    assert (many - few) / 10 == Operations(reads=2, writes=4, refused=0.1)
    assert few + few == Operations(reads=20, writes=40)


def test_peers_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)

    def made(_name: str, _lock: Path) -> Path:
        return tmp_path

    monkeypatch.setattr(bench_peers, "make_environment", made)
    monkeypatch.setattr(bench_peers, "_NEEDED", {"JSON": "json", "LangGraph": "no_such_module"})
    with pytest.raises(PeersMissing, match=r"^LangGraph cannot be imported") as caught:
        peers_environment()
    assert "JSON" not in json.dumps(str(caught.value))
