"""The next segment's blocks, drawn in a thread while this one is trained on."""

import os
import threading

from mmbert_composer.curriculum.draws import BlockSampler, Draws


class AheadSampler:
    """As its sampler, but what is asked for in order is there already: a segment takes a quarter of a second to draw.

    The draws are the same, since they depend on the plan alone; a segment out of order (a resume) is drawn when it is
    asked for. What goes wrong in the thread is raised where that segment is asked for.
    """

    def __init__(self, sampler: BlockSampler) -> None:
        self.sampler = sampler
        self._next: _Drawing | None = None

    def segment(self, segment: int) -> Draws:
        """The blocks of one segment; the one after it is begun, where the plan has one."""
        ready, self._next = self._next, None
        # A thread does not live on in a process that was forked while it ran.
        if ready is not None and ready.segment == segment and ready.process == os.getpid():
            draws = ready.result()
        else:
            draws = self.sampler.segment(segment)
        if segment + 1 < self.sampler.plan.num_segments:
            self._next = _Drawing(self.sampler, segment + 1)
        return draws

    def __getstate__(self) -> dict[str, object]:
        """For another process: without the thread."""
        return {**self.__dict__, "_next": None}


class _Drawing:
    def __init__(self, sampler: BlockSampler, segment: int) -> None:
        self.segment = segment
        self.process = os.getpid()
        self._sampler = sampler
        self._draws: Draws | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"draw segment {segment}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._draws = self._sampler.segment(self.segment)
        except BaseException as error:
            self._error = error

    def result(self) -> Draws:
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._draws is not None
        return self._draws
