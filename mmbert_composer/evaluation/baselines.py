"""Models by a short name, and where any model is: a folder, or the hub and its cache."""

from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Baseline:
    """A published encoder."""

    hub: str
    description: str
    remote_code: bool = False
    """Whether its code is on the hub and not in transformers: ``--trust-remote-code`` runs it."""


BASELINES = {
    "mmbert-base": Baseline("jhu-clsp/mmBERT-base", "mmBERT, 307M parameters, 1,833 languages"),
    "mmbert-small": Baseline("jhu-clsp/mmBERT-small", "mmBERT, 140M"),
    "xlm-r": Baseline("FacebookAI/xlm-roberta-base", "XLM-RoBERTa base, 278M, 100 languages"),
    "mbert": Baseline("google-bert/bert-base-multilingual-cased", "multilingual BERT, 178M, 104 languages"),
    "mdistilbert": Baseline("distilbert/distilbert-base-multilingual-cased", "multilingual DistilBERT, 135M"),
    "minilm": Baseline("microsoft/Multilingual-MiniLM-L12-H384", "multilingual MiniLM, 118M"),
    "mgte": Baseline("Alibaba-NLP/gte-multilingual-mlm-base", "mGTE's encoder before contrastive training, 306M", True),
    "modernbert-base": Baseline("answerdotai/ModernBERT-base", "ModernBERT, 149M, English"),
    "eurobert-210m": Baseline("EuroBERT/EuroBERT-210m", "EuroBERT, 210M, 15 languages", True),
}

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.py"]


def find_model(model: str, trust_remote_code: bool = False) -> tuple[Path, str]:
    """The folder of a model with its configuration, and the name that its results get.

    ``model``: a folder, a name of ``BASELINES``, or ``org/name`` on the hub. Raises UserError for a folder without a
    model, a model that cannot be fetched, and one that needs code from the hub that was not allowed.
    """
    if (folder := Path(model)).is_dir():
        if not (folder / "config.json").is_file():
            near = [name for name in ("hf", "merged") if (folder / name / "config.json").is_file()]
            hint = (
                f"; did you mean {folder / near[0]}?" if near else "; mmbert export RUN --out DIR writes such a folder"
            )
            raise UserError(f"{model}: no config.json of a transformers model in it{hint}")
        return folder, _folder_name(folder.resolve())
    baseline = BASELINES.get(model.lower())
    if baseline is None and model.count("/") != 1:
        raise UserError(
            f"{model}: neither a folder, nor org/name on the hub, nor a known name; {did_you_mean(model, BASELINES)}"
        )
    if baseline is not None and baseline.remote_code and not trust_remote_code:
        raise UserError(
            f"{model}: {baseline.hub} runs code from its repository; look at it and add --trust-remote-code"
        )
    hub = baseline.hub if baseline else model
    return _fetch(hub), model.lower() if baseline else hub.replace("/", "--")


def _folder_name(folder: Path) -> str:
    """``my-run-hf`` for ``runs/my-run/hf``, else the folder's own name."""
    return f"{folder.parent.name}-{folder.name}" if folder.name in ("hf", "merged") else folder.name


def _fetch(hub: str) -> Path:
    # Slow to import, and needed for hub names alone.
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub, allow_patterns=_FILES))
        if not list(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(hub, allow_patterns=[*_FILES, "pytorch_model*.bin"]))
    except Exception as error:  # whatever the transport raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{hub}: neither on the hub nor in its cache: {reason}. Offline, give the folder of a copy"
        ) from None
    return folder
