"""What the paper's protocol does oddly, by name: reproduced unless ``--mend NAME`` asks for the sound way."""

from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.evaluation.task import Task

ODDITIES = {
    "glue-f1": "QQP and MRPC: the headline is the F1 of the positive class; mended: accuracy",
    "xquad-without-hi": "XQuAD: the mean is over ar de el en es ru th tr vi zh ro; mended: hi as well",
    "plain-squad-normaliser": "MLQA: answers are compared after SQuAD's English normalisation, without word "
    "boundaries in Chinese; mended: as MLQA's own evaluation does",
    "pos-first-letter": "UD-POS: seqeval on bare tags takes the first letter for an IOB prefix, "
    "NOUN for a chunk OUN; mended: accuracy of tags",
    "first-token": "Tatoeba, BUCC: the vector of the first token, which pre-training never made a summary; mended: the "
    "mean over tokens",
    "bucc-no-threshold": "BUCC: every sentence's nearest one is taken for its translation; mended: where the cosine "
    "reaches a threshold tuned on the validation split",
    "split-words": "WikiANN, UD-POS: words are tokenized one by one, which a tokenizer without a dummy prefix "
    "never saw in training; mended by --word-join space",
}

MENDABLE = tuple(name for name in ODDITIES if name != "split-words")


def check_mend(names: frozenset[str]) -> None:
    """Refuse names that ``--mend`` does not know."""
    for name in sorted(names):
        if name == "split-words":
            raise UserError("--mend split-words: say --word-join space")
        if name not in MENDABLE:
            raise UserError(f"--mend: there is no {name!r}; {did_you_mean(name, MENDABLE)}")


def headline(task: Task, mend: frozenset[str]) -> str:
    """The metric that is the task's score."""
    mended = mend.intersection(task.oddities)
    return "accuracy" if mended & {"glue-f1", "pos-first-letter"} else task.metric
