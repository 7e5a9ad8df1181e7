"""Prepared data: whether they are whole."""

from pathlib import Path

from mmbert_composer.data.verify_data import verify_data
from mmbert_composer.doctor.finding import Finding, ok, problem
from mmbert_composer.errors import UserError

CHECK = "data"


def check_data(root: Path, *, deep: bool) -> Finding:
    """Manifest, tokenizer, indexes and sizes of a data folder; every byte too, if ``deep``."""
    try:
        verified = verify_data(root) if deep else verify_data(root, contents=False, blocks=0)
    except UserError as error:
        return problem(
            CHECK, str(error), f"what is to be done stands there; `mmbert prepare verify {root}` says it again"
        )
    looked = "all as written" if deep else "sizes as written (--deep reads every byte)"
    return ok(
        CHECK,
        f"{root}: {verified.streams:,} streams, {verified.shards:,} shards, {verified.bytes / 1e9:,.2f} GB, {looked}",
    )
