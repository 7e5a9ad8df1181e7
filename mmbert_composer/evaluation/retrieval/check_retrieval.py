"""What a retrieval task needs, looked at before anything is trained."""

from pathlib import Path

from transformers import AutoConfig

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.check_fine_tuned import Checked
from mmbert_composer.evaluation.grid import grid
from mmbert_composer.evaluation.hashes import hash_values
from mmbert_composer.evaluation.load_encoder import longest_input
from mmbert_composer.evaluation.load_for_task import load_tokenizer
from mmbert_composer.evaluation.retrieval.benchmark_tasks import benchmark_tasks
from mmbert_composer.evaluation.retrieval.packages import load_sentence_transformers
from mmbert_composer.evaluation.retrieval.triplets import load_triplets
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Task


def check_retrieval(task: Task, model: Path, data: Path | None, settings: Settings) -> Checked:
    """Check packages, model, triplets and the benchmark's datasets; the hash is over triplets and revisions."""
    load_sentence_transformers()
    tokenizer = load_tokenizer(model, settings)
    if tokenizer.pad_token_id is None:
        raise UserError(f"{model}: the model has no pad token; set it in tokenizer_config.json")
    config = AutoConfig.from_pretrained(model, trust_remote_code=settings.trust_remote_code)
    wanted, longest = grid(task, settings)[0].max_length, longest_input(config, tokenizer)
    if wanted > longest:
        raise UserError(
            f"task {task.name}: inputs of {wanted} tokens, but {model} takes at most {longest}; "
            f"--max-length {longest} cuts every task to that, and the result says so"
        )
    tasks = benchmark_tasks(task, data, settings)
    stages = {}
    if task.train is not None:
        rows, found = load_triplets(task, data)
        if len(rows) < 2:
            raise UserError(f"task {task.name}: {task.hub}: {len(rows)} triplets; at least 2 are needed")
        stages[task.hub] = found
    revisions = [[each.metadata.name, each.metadata.dataset["revision"]] for each in tasks]
    return Checked(hash_values([revisions, stages]), stages)
