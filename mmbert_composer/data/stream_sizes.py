"""What the plan needs of a data folder."""

from mmbert_composer.curriculum import StreamSize
from mmbert_composer.data.manifest import Manifest


def stream_sizes(manifest: Manifest) -> dict[str, StreamSize]:
    """ "source/language" to real tokens and blocks, part by part."""
    return {
        name: StreamSize(entry.tokens, entry.blocks, tuple(part.blocks for part in entry.parts))
        for name, entry in manifest.streams.items()
    }
