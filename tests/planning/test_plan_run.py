import json

import pytest

from mmbert_composer.config import parse_run_config
from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.errors import UserError
from mmbert_composer.merging.run_merge import RunMerge
from mmbert_composer.planning import plan_run
from mmbert_composer.planning.kept_checkpoints import MERGED_BY_DEFAULT
from mmbert_composer.planning.plan_run import count_steps

TABLE = "source,language,tokens\nweb,deu,40000\nweb,fra,20000\nweb,isl,640\nweb,fao,64\n"


def settings(tmp_path, mixture, max_passes=5, **phase):
    counts = tmp_path / "counts.csv"
    counts.write_text(TABLE)
    row = {"name": "a", "duration": "65_536tok", "mask_ratio": 0.3, "max_seq_len": 64, "mixture": mixture}
    return {
        "data": {"block_size": 64, "segment_blocks": 64, "counts": str(counts)},
        "model": {},
        "optimizer": {"name": "stable_adamw", "lr": 1e-3},
        "global_train_batch_size": 8,
        "device_train_microbatch_size": 8,
        "curriculum": {"max_passes": max_passes, "phases": [row | phase]},
    }


def planned(*arguments, **options):
    return plan_run(parse_run_config(settings(*arguments, **options)), vocab_size=1000)


def test_sources_that_are_not_counted_are_totals(tmp_path):
    plan = planned(tmp_path, {"web": {"share": 0.75, "languages": ["deu", "fra"]}, "books": {"share": 0.25}})
    assert plan.uncounted == ("books",)
    assert plan.phases[0].languages == 2
    books, web = (plan.phases[0].sources[name] for name in ("books", "web"))
    assert (books.tokens, books.passes_max, books.streams) == (16_384, None, {})
    assert sum(blocks for blocks, _ in web.streams.values()) * 64 == web.tokens == 49_152
    assert (plan.model["vocab_size"], plan.checkpoint_bytes) == (1024, 12 * plan.parameters)
    with pytest.raises(UserError, match=r"lists none of the sources books; it has web"):
        planned(tmp_path, {"books": {"share": 1.0}})


def test_warnings(tmp_path):
    plan = planned(tmp_path, {"web": {"share": 1.0, "tau": 0.3}})
    (repeated,) = plan.warnings[:1]
    assert "web/fao" in repeated
    assert "they are held at max_passes=5" in repeated
    assert plan.phases[0].sources["web"].passes_max == 5
    assert any("web/fao is below one block a segment: they come in" in line for line in plan.warnings)
    plan = planned(tmp_path, {"web": {"share": 1.0, "tau": 0.3}}, max_passes=None)
    assert "max_passes is null, and web/fao" in plan.warnings[0]
    plan = planned(tmp_path, {"web": {"share": 1.0}}, duration="4_096tok")
    assert any("web/fao is below one block of the whole phase" in line for line in plan.warnings)
    assert not planned(tmp_path, {"web": {"share": 1.0, "languages": ["deu", "fra"]}}).warnings
    json.dumps(plan.to_json())


@pytest.mark.parametrize(
    "batch",
    [
        None,
        {"from": 4, "to": 24, "curve": "equal_steps", "over": "20_000tok"},
        {"from": 4, "to": 24, "curve": "linear"},
        {"from": 24, "to": 8, "curve": "linear", "over": "5_000tok"},
    ],
)
def test_steps_are_counted_as_the_clock_takes_them(batch):
    phases = [
        Phase("a", "46_080tok", 0.3, 64, {"*": {}}, batch_size=batch),
        Phase("b", "15_360tok", 0.3, 64, {"*": {}}),
    ]
    curriculum = Curriculum(
        phases, block_size=64, segment_blocks=240, global_train_batch_size=24, batch_size_multiple=4
    )
    steps = count_steps(curriculum)
    assert sum(steps.values()) == sum(1 for _ in curriculum.steps())
    assert steps["b"] == sum(1 for token, _ in curriculum.steps() if curriculum.phase_at(token).name == "b")


def test_the_default_number_of_merged_checkpoints():
    assert RunMerge.last == MERGED_BY_DEFAULT
