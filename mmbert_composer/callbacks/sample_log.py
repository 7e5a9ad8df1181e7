"""Which blocks were trained on: the audit that proves a resume."""

from contextlib import closing
from pathlib import Path

from composer.core import Callback, State
from composer.loggers import Logger
from composer.utils import dist

from mmbert_composer.callbacks.append_lines import AppendedLines
from mmbert_composer.callbacks.train_loader import train_loader


class SampleLog(Callback):
    """Writes ``samples-rank{r}.jsonl``: of every step, the blocks that this rank trained on.

    A line is ``{"batch": n, "samples": [["source/language", index in that stream, visit from 0], ...]}``, n
    counting from 1. A resumed process first writes ``{"event": "resume", "batch": n}``; of a step seen
    twice the last line counts.

    Args:
        run_folder: where the files go.
    """

    def __init__(self, run_folder: str | Path) -> None:
        self.run_folder = Path(run_folder)
        self._file: AppendedLines | None = None

    def fit_start(self, state: State, logger: Logger) -> None:
        resume = {"event": "resume", "batch": int(state.timestamp.batch)}
        own = self.run_folder / f"samples-rank{dist.get_global_rank()}.jsonl"
        self._file = AppendedLines(own)
        if resume["batch"] or self._file.continues:
            self._file.write(resume)
        if dist.get_global_rank() == 0:  # ranks of an earlier process that this one does not have
            for path in self.run_folder.glob("samples-rank*.jsonl"):
                if int(path.stem.removeprefix("samples-rank")) >= dist.get_world_size():
                    with closing(AppendedLines(path)) as file:
                        file.write(resume)

    def batch_end(self, state: State, logger: Logger) -> None:
        loader = train_loader(state, "sample_log")
        names = loader.dataset.plan.streams
        samples = [
            [names[stream], index, visit]
            for blocks in loader.served
            for stream, index, visit in zip(
                blocks.stream.tolist(), blocks.index.tolist(), blocks.visit.tolist(), strict=True
            )
        ]
        assert self._file is not None
        self._file.write({"batch": int(state.timestamp.batch), "samples": samples})

    def close(self, state: State, logger: Logger) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
