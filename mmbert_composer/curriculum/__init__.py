"""The curriculum: what is trained on, how and when, as pure functions of the token clock. Numpy alone."""

from mmbert_composer.curriculum.ahead_sampler import AheadSampler
from mmbert_composer.curriculum.curriculum import Curriculum, Scheduled, ScheduledPhase
from mmbert_composer.curriculum.curve import Curve
from mmbert_composer.curriculum.draws import BlockSampler, Draws
from mmbert_composer.curriculum.mixture import StreamSize
from mmbert_composer.curriculum.phase import Phase, RopeTheta, SourceMixture
from mmbert_composer.curriculum.segment_plan import SegmentPlan, make_plan

__all__ = [
    "AheadSampler",
    "BlockSampler",
    "Curriculum",
    "Curve",
    "Draws",
    "Phase",
    "RopeTheta",
    "Scheduled",
    "ScheduledPhase",
    "SegmentPlan",
    "SourceMixture",
    "StreamSize",
    "make_plan",
]
