"""Which form a checkpoint has, from its path and first bytes: one is read, the others are refused by name. No torch."""

from pathlib import Path

from mmbert_composer.errors import UserError

SHARDED = ".metadata"
"""The file of a folder that torch.distributed.checkpoint (FSDP) wrote: a pickle, and others are beside it."""

_TAR_MARK, _TAR_PLACE = b"ustar", 257
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4", b"BZh": "bzip2"}
_ZIP = b"PK"
_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

CONVERT = (
    "If you trust it, load it where it was made and save its weights alone as safetensors (`save_pretrained`): a "
    "folder of those is taken by load_as: weights, merges and exports"
)


def check_form(path: Path) -> None:
    """Refuse what is no checkpoint file of the one form that is read: a zip as torch has written since 1.6.

    Raises UserError naming the form and what to do: a remote address, a sharded folder, a tar or a compressed file,
    a pickle from before 1.6.
    """
    if "://" in str(path) or ":/" in str(path)[1:9]:  # Path makes s3:/ of s3://
        raise UserError(f"{path}: checkpoints are read from a disk alone; copy it to this machine and name the copy")
    if path.is_dir():
        if (path / SHARDED).is_file():
            raise UserError(
                f"{path}: refused, a sharded checkpoint (FSDP); its {SHARDED} is a pickle, and loading it could run "
                f"code. {CONVERT}"
            )
        raise UserError(f"{path}: a folder, not a checkpoint file; name a file such as ep1-ba100-rank0.pt")
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint file")
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    packed = next((name for mark, name in _COMPRESSED.items() if start.startswith(mark)), None)
    if start[_TAR_PLACE : _TAR_PLACE + len(_TAR_MARK)] == _TAR_MARK:
        raise UserError(
            f"{path}: refused, a tar archive; unpacking it could write anywhere and its pickles run code. {CONVERT}"
        )
    if packed is not None:
        raise UserError(f"{path}: a file compressed by {packed}; unpack it and name what comes out")
    if start.startswith(_PICKLE):
        raise UserError(
            f"{path}: refused, a plain pickle, as torch wrote before 1.6, and loading it could run code. {CONVERT}"
        )
    if path.suffix == ".safetensors":
        raise UserError(f"{path}: weights alone, in Hugging Face's form; name their folder, with load_as: weights")
    if not start.startswith(_ZIP):
        raise UserError(f"{path}: not a complete checkpoint file (it does not begin as one)")
