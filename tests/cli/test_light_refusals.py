import subprocess
import sys

SCRIPT = """
import sys
from mmbert_composer.cli.main import main
for arguments in {calls!r}:
    if main(arguments) == 0: sys.exit(f'{{arguments}} was not refused')
    loaded = sorted({{'torch', 'transformers', 'composer', 'streaming'}} & set(sys.modules))
    if loaded: sys.exit(f'{{arguments}} loads {{loaded}} before it refuses')
"""


def test_what_paths_show_is_refused_before_torch_is_there(tmp_path):
    """In a process of its own: here everything is loaded already."""
    run, there = tmp_path / "run", tmp_path / "there"
    for folder in (run, there, tmp_path / "hf"):
        folder.mkdir()
    (run / "model_config.json").write_text("{}")
    (tmp_path / "hf" / "config.json").write_text('{"model_type": "modernbert", "vocab_size": 64}')
    (tmp_path / "hf" / "pytorch_model.bin").touch()
    out = ["--out", str(tmp_path / "out")]
    calls = [
        ["export", str(tmp_path / "none"), *out],
        ["export", str(run), "--out", str(there)],
        ["export", str(there), *out],
        ["export", str(run), *out, "--push", "-x/y"],
        ["import", str(tmp_path / "none"), *out],
        ["import", str(there), *out],
        ["import", str(run), *out],
        ["import", str(tmp_path / "hf"), *out],
        ["import", str(tmp_path / "hf"), "--out", str(there)],
        ["tokenizer", "grow", str(there), "--input", "cldr:", "--new-tokens", "9", *out],
    ]
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(calls=calls)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("error:") == len(calls)
