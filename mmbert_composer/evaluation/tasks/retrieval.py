"""Text embeddings: the MS MARCO stage, then the benchmarks of mteb; and the same without the stage, as a probe."""

from dataclasses import replace

from mmbert_composer.evaluation.task import Hyperparameters, Task

_STAGED = Task(
    name="",
    suite="retrieval",
    kind="retrieval",
    metric="mean_of_types",
    source="Ettin retrieval_eval/train_st.py 6cbf954, which mmBERT names; learning rate: best of mmBERT-base",
    hub="sentence-transformers/msmarco-co-condenser-margin-mse-sym-mnrl-mean-v1",
    config="triplet-hard",
    text=("query", "positive", "negative"),
    # One epoch over 1,250,000 triplets.
    hyperparameters=Hyperparameters(lr=1e-4, epochs=1, batch_size=1024, warmup_ratio=0.05, max_length=512),
    seeds=(12,),
)

RETRIEVAL = (
    replace(
        _STAGED,
        name="mteb_english",
        description="MTEB English v2 after MS MARCO",
        benchmark="MTEB(eng, v2)",
    ),
    replace(
        _STAGED,
        name="mteb_multilingual",
        description="MTEB Multilingual v2 after MS MARCO (English triplets)",
        benchmark="MTEB(Multilingual, v2)",
    ),
    replace(
        _STAGED,
        name="coir",
        description="code retrieval (CoIR) after MS MARCO",
        benchmark="CoIR",
        metric="mean_of_tasks",
    ),
)

PROBE = "a probe: mean-pooled embeddings of the model as it is, not tuned for retrieval"

RETRIEVAL_PROBE = tuple(
    replace(
        task,
        name=f"{task.name}_probe",
        suite="retrieval_probe",
        description=f"{task.benchmark} on the model as it is: a probe",
        train=None,
        note=PROBE,
        source="mteb; mean pooling",
    )
    for task in RETRIEVAL
)
