"""A model with the head that a task needs, and the checks that it fits: before anything is trained."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, set_seed

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.heads.all_heads import HEADS
from mmbert_composer.evaluation.load_encoder import accepted_inputs, longest_input
from mmbert_composer.evaluation.read_tokenizer import read_tokenizer
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def load_tokenizer(folder: Path, settings: Settings) -> Any:
    """The tokenizer in ``folder``."""
    tokenizer = read_tokenizer(folder, settings.trust_remote_code)
    # Deliberate: inputs are cut to each task's length.
    tokenizer.deprecation_warnings["sequence-length-is-longer-than-the-specified-maximum"] = True
    return tokenizer


def load_for_task(task: Task, folder: Path, settings: Settings, seed: int) -> Any:
    """The model in ``folder`` with the task's head, which is new (from ``seed``) where the folder has none or another.

    In fp32, on ``settings.device``.
    """
    set_seed(seed)
    config = _config(task, folder, settings)
    with _quiet():
        model = _auto_class(task).from_pretrained(
            folder,
            config=config,
            ignore_mismatched_sizes=True,
            trust_remote_code=settings.trust_remote_code,
            **_attention(config),
        )
    return model.float().to(settings.device)


def check_model(task: Task, folder: Path, settings: Settings, max_length: int) -> None:
    """Refuse a model or tokenizer that cannot do ``task`` with inputs of ``max_length`` tokens."""
    tokenizer = load_tokenizer(folder, settings)
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: a fast tokenizer is needed (tokenizer.json); this is {type(tokenizer).__name__}")
    config = _config(task, folder, settings)
    if tokenizer.pad_token_id is None or config.pad_token_id is None:
        where = "tokenizer_config.json" if tokenizer.pad_token_id is None else "config.json (pad_token_id)"
        raise UserError(f"{folder}: the model has no pad token; set it in {where}")
    try:
        model = _empty_model(task, config, settings)
    except (ValueError, KeyError, AttributeError, ImportError) as error:
        raise UserError(f"task {task.name}: {folder}: {_auto_class(task).__name__}: {_first_line(error)}") from None
    if "token_type_ids" in tokenizer.model_input_names and "token_type_ids" not in accepted_inputs(model, tokenizer):
        raise UserError(
            f"{folder}: its tokenizer emits token_type_ids, which {type(model).__name__} does not take; set "
            '"model_input_names": ["input_ids", "attention_mask"] in tokenizer_config.json'
        )
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise UserError(f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model's embedding {rows} rows")
    longest = longest_input(config, tokenizer)
    if max_length > longest:
        raise UserError(
            f"task {task.name}: inputs of {max_length} tokens, but {folder} takes at most {longest}; "
            f"--max-length {longest} cuts every task to that, and the result says so"
        )
    if task.kind == "tagging" and settings.word_join == "split":
        try:
            tokenizer(["a", "b"], is_split_into_words=True)
        except (AssertionError, ValueError) as error:
            raise UserError(f"task {task.name}: {_first_line(error)}; or use --word-join space") from None


def _empty_model(task: Task, config: Any, settings: Settings) -> Any:
    """The model without its weights: what its class is and takes."""
    with _quiet():
        try:
            with torch.device("meta"):
                return _auto_class(task).from_config(config, trust_remote_code=settings.trust_remote_code)
        except (RuntimeError, NotImplementedError):
            # Code from the hub may compute values when a model is made.
            return _auto_class(task).from_config(config, trust_remote_code=settings.trust_remote_code)


def model_inputs(model: Any, tokenizer: Any) -> list[str]:
    """The outputs of the tokenizer that the model reads."""
    return accepted_inputs(model, tokenizer)


def _auto_class(task: Task) -> Any:
    return getattr(transformers, HEADS[task.kind].auto_model)


def _config(task: Task, folder: Path, settings: Settings) -> Any:
    try:
        config = AutoConfig.from_pretrained(
            folder, trust_remote_code=settings.trust_remote_code, **HEADS[task.kind].model_options(task)
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: no model that transformers can load: {_first_line(error)}") from None
    if hasattr(config, "reference_compile"):
        # Shapes change from batch to batch: ModernBERT would compile again and again.
        config.reference_compile = False
    return config


def _attention(config: Any) -> dict[str, str]:
    """ModernBERT takes flash attention wherever it is installed, which has no fp32."""
    return {"attn_implementation": "sdpa"} if config.model_type == "modernbert" else {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' word that the head is new: it is meant to be."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*copying from a non-meta parameter", category=UserWarning)
            yield
    finally:
        transformers.logging.set_verbosity(level)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
