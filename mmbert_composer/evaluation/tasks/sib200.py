"""Topics of FLORES sentences in 205 languages: tuned on English, scored on every language."""

from mmbert_composer.evaluation.task import Hyperparameters, Task

TOPICS = ("entertainment", "geography", "health", "politics", "science/technology", "sports", "travel")

SIB200 = (
    Task(
        name="sib200",
        suite="sib200",
        kind="sequence",
        metric="accuracy",
        description="7 topics, tuned on English, scored on every language of the data",
        source="Davlan/sib200 (arXiv:2309.07445): lr 1e-5 to 5e-5, 20 epochs, batch 16; here lr 2e-5, batch 32",
        hub="Davlan/sib200",
        config="{language}",
        flat="sib200",
        test="test",
        text=("text",),
        label="category",
        labels=TOPICS,
        # Empty: every language that is found.
        languages=(),
        train_language="eng_Latn",
        hyperparameters=Hyperparameters(lr=2e-5, epochs=20, batch_size=32, warmup_ratio=0.06, max_length=128),
    ),
)
