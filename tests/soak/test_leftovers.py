from pathlib import Path

from streaming.base.shared.prefix import _pack_locals

from tests.soak.leftovers import left_behind


def test_only_what_belongs_to_this_data(tmp_path):
    for prefix, data in ((17, "/runs/data"), (18, "/runs/data2"), (19, "/runs/data")):
        (tmp_path / f"{prefix}_locals").write_bytes(_pack_locals([f"{data}/tiny/eng", f"{data}/tiny/deu"], prefix))
        (tmp_path / f"{prefix}_barrier").touch()
    (tmp_path / "sem.something").touch()
    names = {"17_locals", "17_barrier", "19_locals", "19_barrier"}
    assert left_behind(Path("/runs/data"), tmp_path) == names
