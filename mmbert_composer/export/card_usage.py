"""The part of a model card that says how to use the model: code that runs as it stands once PATH_OR_NAME is put in."""

from collections.abc import Mapping
from typing import Any

PLACEHOLDER = "PATH_OR_NAME"


def usage(config: Mapping[str, Any]) -> str:
    """How to fill masks, embed texts and train a classifier with a model of this config."""
    return f"""## How to use

Fill in a masked word:

```python
from transformers import pipeline

fill = pipeline("fill-mask", model="{PLACEHOLDER}")
print(fill(f"Paris is the capital of {{fill.tokenizer.mask_token}}."))
```

Embed texts with [sentence-transformers](https://sbert.net), as the mean over the tokens. This is the model as it was
trained, on masked words alone: fine-tune it on pairs of texts for good retrieval.

```python
from sentence_transformers import SentenceTransformer

embeddings = SentenceTransformer("{PLACEHOLDER}").encode(["One text.", "Another."])
```

The same with transformers alone:

```python
import torch
from transformers import AutoModel, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{PLACEHOLDER}")
model = AutoModel.from_pretrained("{PLACEHOLDER}").eval()
batch = tokenizer(["One text.", "Another."], padding=True, truncation=True,
                  max_length={config["max_position_embeddings"]}, return_tensors="pt")
with torch.no_grad():
    hidden = model(**batch).last_hidden_state
mask = batch["attention_mask"][..., None]
embeddings = (hidden * mask).sum(1) / mask.sum(1)
```

Classify texts. The classification head is new, so train it with the encoder, with transformers' `Trainer` or a loop of
your own (a learning rate of 2e-5 to 1e-4 and 2 to 5 epochs are usual):

```python
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{PLACEHOLDER}")
model = AutoModelForSequenceClassification.from_pretrained("{PLACEHOLDER}", num_labels=3)
loss = model(**tokenizer("One text.", return_tensors="pt"), labels=torch.tensor([2])).loss
```

On a GPU `attn_implementation="flash_attention_2"` and `dtype=torch.bfloat16` make it fast."""
