"""Parameters grouped as one reads about them: embeddings, attention and MLP in thirds of the depth, norms, head."""

import re
from collections.abc import Iterable

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.(attn|mlp)\.")
_THIRDS = 3
_KINDS = {"attn": "attention", "mlp": "MLP"}


def group_parameters(names: Iterable[str]) -> dict[str, list[str]]:
    """Group to its parameters, from the embeddings up to the head; groups without a parameter are left out.

    Of 22 layers: ``embeddings``, ``layers 0-6 attention``, ``layers 0-6 MLP``, ``layers 7-13 attention``, ...,
    ``norms``, ``head``.
    """
    names = list(names)
    matches = {name: match for name in names if (match := _LAYER.search(name))}
    depth = 1 + max((int(match[1]) for match in matches.values()), default=-1)
    bands = min(_THIRDS, depth)
    groups: dict[str, list[str]] = {"embeddings": []}
    for band in range(bands):
        layers = range(-(-band * depth // bands), -(-(band + 1) * depth // bands))
        title = f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]}-{layers[-1]}"
        for short, kind in _KINDS.items():
            groups[f"{title} {kind}"] = [
                name for name, match in matches.items() if match[2] == short and int(match[1]) in layers
            ]
    groups |= {"norms": [], "head": []}
    for name in names:
        if name not in matches:
            is_norm = "norm" in name.rpartition(".")[0].rpartition(".")[2]
            groups["norms" if is_norm else "embeddings" if "embeddings" in name else "head"].append(name)
    return {group: members for group, members in groups.items() if members}
