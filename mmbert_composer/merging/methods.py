"""The merge methods there are."""

from mmbert_composer.merging.ema import EMA
from mmbert_composer.merging.linear import LINEAR
from mmbert_composer.merging.method_row import MethodRow
from mmbert_composer.merging.slerp import SLERP
from mmbert_composer.merging.task_arithmetic import TASK_ARITHMETIC
from mmbert_composer.merging.ties import TIES

METHODS: dict[str, MethodRow] = {row.name: row for row in (LINEAR, EMA, TIES, TASK_ARITHMETIC, SLERP)}
