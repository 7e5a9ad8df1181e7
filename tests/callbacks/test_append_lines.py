import os

from mmbert_composer.callbacks.append_lines import AppendedLines
from tests.conftest import read_jsonl


def test_a_torn_line_is_closed(tmp_path):
    path = tmp_path / "new" / "file.jsonl"
    lines = AppendedLines(path)
    assert not lines.continues
    lines.write({"a": 1})
    lines.close()
    lines.close()
    with path.open("a") as file:
        file.write('{"half": ')
    lines = AppendedLines(path)
    assert lines.continues
    lines.write({"a": 2})
    lines.close()
    assert path.read_text() == '{"a": 1}\n{"half": \n{"a": 2}\n'


def test_a_full_disk_makes_lines_wait(tmp_path, caplog):
    path = tmp_path / "file.jsonl"
    lines = AppendedLines(path)
    lines.write({"n": 0})
    disk = os.dup(lines._file)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, lines._file)
    for n in range(1, 4):
        lines.write({"n": n})
    assert [record.message for record in caplog.records] == [
        f"{path}: No space left on device; its lines wait in memory"
    ]
    os.dup2(disk, lines._file)
    lines.write({"n": 4})
    assert [row["n"] for row in read_jsonl(path)] == [0, 1, 2, 3, 4]
    os.dup2(full, lines._file)
    lines.write({"n": 5})
    lines.close()
    assert caplog.records[-1].message == f"{path}: its last 1 lines are lost"
    for file in (disk, full):
        os.close(file)


def test_a_line_that_went_half_through_is_finished(tmp_path):
    """The system takes part of a write when the disk fills up in it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lines = AppendedLines(tmp_path / "file.jsonl")
    kept = os.dup(lines._file)
    os.dup2(writer, lines._file)
    text = "x" * 100_000  # more than a pipe holds
    lines.write({"text": text})
    received = os.read(reader, 1 << 20)
    assert 0 < len(received) < 100_000
    lines.close()
    received += os.read(reader, 1 << 20)
    assert received == b'{"text": "%s"}\n' % text.encode()
    for file in (reader, writer, kept):
        os.close(file)
