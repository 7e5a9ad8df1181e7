import os

from mmbert_composer.runtime.private_shared_memory import LOWEST_PREFIX
from tests.soak.leftovers import left_by_the_dead


def test_what_is_in_use_and_what_is_not_ours(tmp_path):
    alive, dead, unknown = (LOWEST_PREFIX + n for n in range(3))
    register = tmp_path / "mmbert_composer-7"
    register.mkdir()
    (register / f"{alive}.{os.getpid()}").touch()
    (register / f"{dead}.{2**22 + 5}").touch()  # above the highest process id
    for prefix in (alive, dead, unknown, "000003"):
        (tmp_path / f"{prefix}_barrier").touch()
    (tmp_path / "sem.something").touch()
    assert left_by_the_dead(tmp_path) == {f"{dead}_barrier", f"{unknown}_barrier"}
