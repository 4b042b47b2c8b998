"""Which placement is chosen for what memory, and how the memory is found out."""

from pathlib import Path

import pytest

from tcf.encode.encoders import ENCODERS
from tcf.encode.machine import Memory, disk_rate, free_host_memory, free_memory, product_rate
from tcf.encode.placement import Needs, choose, choose_placement, show_bytes
from tcf.encode.shape import Shape, read_config

GIB = 2**30
NEEDS = Needs(weights=100 * GIB, block=2 * GIB, embeddings=GIB, activations=5 * GIB)


@pytest.mark.parametrize(
    ("device", "free", "quantization", "placement", "reason"),
    [
        ("cpu", Memory(200 * GIB), None, "resident", "5 GiB a batch fit in 200 GiB free on cpu"),
        ("cpu", Memory(110 * GIB), None, "streamed", "block by block they take 11 GiB"),
        ("cpu", Memory(8 * GIB), "int8", "streamed", "does not fit either: free memory, or take"),
        ("cuda", Memory(8 * GIB, (140 * GIB,)), "nf4", "resident", "140 GiB free on cuda"),
        ("cuda", Memory(8 * GIB, (80 * GIB,) * 2), "nf4", "sharded", "160 GiB free on 2 CUDA dev"),
        ("cuda", Memory(80 * GIB, (80 * GIB,)), None, "sharded", "and 80 GiB beside it"),
        ("cuda", Memory(80 * GIB, (80 * GIB,)), "int8", "streamed", "not fit in 80 GiB free on cu"),
        ("cuda", Memory(8 * GIB, (24 * GIB,) * 2), None, "streamed", "block by block"),
        ("cuda:1", Memory(8 * GIB, (9 * GIB, 140 * GIB)), None, "resident", "free on cuda:1"),
        ("cuda:1", Memory(8 * GIB, (80 * GIB,) * 2), None, "streamed", "free on cuda:1"),
    ],
)
def test_the_first_that_fits_is_chosen_and_says_why(
    device: str, free: Memory, quantization: str | None, placement: str, reason: str
) -> None:
    choice = choose(NEEDS, free, device=device, quantization=quantization)
    assert choice.placement == placement
    assert reason in choice.reason
    assert "100 GiB of weights" in choice.reason


def test_more_memory_never_makes_the_placement_worse() -> None:
    order = ["resident", "sharded", "streamed"]
    chosen = [
        order.index(choose(NEEDS, Memory(gib * GIB), device="cpu").placement)
        for gib in range(1, 200, 3)
    ]
    assert chosen == sorted(chosen, reverse=True)
    assert set(chosen) == {0, 2}


def test_what_each_placement_takes() -> None:
    shape = Shape.of(read_config(ENCODERS["opt-13b"].config or {}))
    needs = Needs.of(
        shape, dtype="bfloat16", quantization=None, batch_tokens=1024, num_tokens=10_000
    )
    assert needs.weights == 2 * shape.total
    assert needs.states == 10_000 * 5120 * 2
    assert needs.activations == 1024 * (8 * 5120 + 3 * 20480) * 2
    assert needs.peak("resident") == needs.peak("sharded") == needs.weights + needs.activations
    assert needs.peak("streamed") == 3 * needs.block + needs.activations + needs.states
    assert needs.num_chunks == 1


def test_states_above_a_bound_go_to_disk_and_then_into_chunks() -> None:
    shape = Shape.of(read_config(ENCODERS["opt-13b"].config or {}))
    needs = Needs.of(
        shape, dtype="bfloat16", quantization=None, batch_tokens=1, num_tokens=20_000_000
    )
    assert needs.peak("streamed") == 3 * needs.block + needs.activations + GIB
    assert needs.num_chunks == 3  # 205 GB of states, 69 GB a chunk


def test_a_choice_reads_a_config_and_no_weights(tmp_path: Path, opt_folder: Path) -> None:
    (tmp_path / "config.json").write_text((opt_folder / "config.json").read_text())
    for source in (tmp_path, opt_folder, ENCODERS["opt-125m"].config or {}):
        choice = choose_placement(source, device="cpu", dtype="float32")
        assert choice.placement == "resident"
        assert "fit in" in choice.reason
    vast = {**(ENCODERS["opt-175b"].config or {}), "hidden_size": 10**6, "ffn_dim": 4 * 10**6}
    choice = choose_placement(
        {**vast, "num_attention_heads": 100, "num_hidden_layers": 20},
        device="cpu",
        dtype="float32",
        batch_tokens=64,
    )
    assert choice.placement == "streamed"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1536, "1.5 KiB"), (5 * 2**20, "5 MiB"), (2**52, "4.1e+03 TiB")],
)
def test_bytes_are_shown_with_three_digits(number: int, shown: str) -> None:
    assert show_bytes(number) == shown


class TestMemory:
    def cgroup(self, folder: Path, names: tuple[str, str, str], *numbers: str | int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        limit, usage, cache = numbers
        (folder / names[0]).write_text(f"{limit}\n")
        (folder / names[1]).write_text(f"{usage}\n")
        (folder / "memory.stat").write_text(f"anon 7\n{names[2]} {cache}\nother 9\n")

    def process(self, root: Path, line: str) -> Path:
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(f"1:cpu:/\n{line}\n")
        return root / "proc"

    V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    V2 = ("memory.max", "memory.current", "inactive_file")

    def test_a_limit_of_version_2_with_cache_that_can_be_dropped(self, tmp_path: Path) -> None:
        proc = self.process(tmp_path, "0::/a/b")
        self.cgroup(tmp_path / "cg/a/b", self.V2, 1000, 800, 300)
        assert free_host_memory(proc, tmp_path / "cg") == 500

    def test_the_tightest_of_the_cgroups_around_it(self, tmp_path: Path) -> None:
        proc = self.process(tmp_path, "0::/a/b")
        self.cgroup(tmp_path / "cg/a/b", self.V2, "max", 800, 0)
        self.cgroup(tmp_path / "cg/a", self.V2, 900, 850, 0)
        self.cgroup(tmp_path / "cg", self.V2, 2000, 850, 0)
        assert free_host_memory(proc, tmp_path / "cg") == 50

    def test_a_limit_of_version_1_seen_from_inside_a_container(self, tmp_path: Path) -> None:
        proc = self.process(tmp_path, "4:memory:/docker/abc")
        self.cgroup(tmp_path / "cg/memory", self.V1, 1000, 900, 0)
        assert free_host_memory(proc, tmp_path / "cg") == 100

    def test_use_above_the_limit_is_nothing_free(self, tmp_path: Path) -> None:
        proc = self.process(tmp_path, "0::/")
        self.cgroup(tmp_path / "cg", self.V2, 1000, 1500, 0)
        assert free_host_memory(proc, tmp_path / "cg") == 0

    def test_without_cgroups_it_is_the_machines(self, tmp_path: Path) -> None:
        import psutil

        free = free_host_memory(tmp_path, tmp_path)
        assert 0 < free <= psutil.virtual_memory().total

    def test_here(self) -> None:
        import torch

        free = free_memory()
        assert free.host > 0
        assert len(free.cuda) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


class TestRates:
    def test_products(self) -> None:
        assert product_rate(dtype="float32", device="cpu", shape=(64, 32, 10**6)) > 1e6

    def test_a_file_and_a_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "weights"
        file.write_bytes(b"0" * 2**20)
        assert disk_rate(file) > 0
        assert disk_rate(tmp_path) > 0
        assert disk_rate(tmp_path / "not there") > 0
        assert list(tmp_path.iterdir()) == [file]
        assert file.stat().st_size == 2**20
