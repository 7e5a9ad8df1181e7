"""flash-attn, and which attention would run."""

import platform
import sys
from typing import Any

from mmbert_composer.doctor.finding import Finding, note, ok, problem
from mmbert_composer.errors import UserError

CHECK = "attention"
RELEASES = "github.com/Dao-AILab/flash-attention/releases"
MMBERT_HEAD = 64
"""Head width of mmBERT, small and base, where no run says another."""


def wheel_name(
    torch_version: str, cuda: str | None, new_abi: bool, python: tuple[int, int], machine: str
) -> str | None:
    """Name of the flash-attn 2 wheel for an environment, ``*`` for its version; None where there can be none.

    torch 2.7.0 for CUDA 12.6, Python 3.11: ``flash_attn-*+cu12torch2.7cxx11abiTRUE-cp311-cp311-linux_x86_64.whl``.
    A wheel for another torch, CUDA or ABI installs and then fails with "undefined symbol".
    """
    if cuda is None:
        return None
    torch_minor = ".".join(torch_version.split("+")[0].split(".")[:2])
    tag = "cp" + "".join(map(str, python))
    abi = str(new_abi).upper()
    return f"flash_attn-*+cu{cuda.split('.')[0]}torch{torch_minor}cxx11abi{abi}-{tag}-{tag}-linux_{machine}.whl"


def check_flash_attn(what: str, broken: str, wheel: str | None, *, has_gpu: bool) -> Finding:
    """``what`` was imported (its version; "" for none), ``broken`` did not import (with its error; "" for nothing)."""
    where = f"install {wheel} from {RELEASES}" if wheel else "install torch's CUDA build first; flash-attn needs it"
    if broken:
        # Installed and useless: it costs speed on a GPU, and nothing on a CPU.
        say = problem if has_gpu else note
        return say(
            CHECK, f"{broken}{f'; {what} runs instead' if what else ''}", f"pip uninstall flash-attn, or {where}"
        )
    if what:
        return ok(CHECK, what)
    if has_gpu:
        return note(CHECK, "flash-attn is not installed; torch's own flash kernels run, a little slower", where)
    return ok(CHECK, f"flash-attn is not installed, and not needed on a CPU{f' (its wheel: {wheel})' if wheel else ''}")


def check_attention(model: dict[str, Any] | None, precision: str | None) -> list[Finding]:
    """flash-attn and the backend of a run's ``model``, or of mmBERT's shape without one; tries the kernels out."""
    import torch
    import torch.version

    from mmbert_composer.models.attention.backend import BACKENDS
    from mmbert_composer.models.attention.choose_backend import choose_backend
    from mmbert_composer.models.attention.flash_attn import load_flash_attn
    from mmbert_composer.models.attention.flash_limits import DTYPES

    has_gpu = torch.cuda.is_available()
    hopper = has_gpu and torch.cuda.get_device_capability()[0] == 9
    loaded = load_flash_attn(hopper)
    wheel = wheel_name(
        torch.__version__, torch.version.cuda, torch.compiled_with_cxx11_abi(), sys.version_info[:2], platform.machine()
    )
    found = [check_flash_attn(loaded.what, loaded.broken, wheel, has_gpu=has_gpu)]
    device = torch.device("cuda" if has_gpu else "cpu")
    kinds = {"fp32": torch.float32, "amp_bf16": torch.bfloat16, "amp_fp16": torch.float16}
    dtype = kinds.get(precision or "", torch.bfloat16 if has_gpu else torch.float32)
    width = MMBERT_HEAD
    if model is not None and "hidden_size" in model and "num_attention_heads" in model:
        width = model["hidden_size"] // model["num_attention_heads"]
    asked = str((model or {}).get("attention", "auto"))
    kind = str(dtype).removeprefix("torch.")
    try:
        name = choose_backend(asked, width, dtype, device)
    except UserError as error:
        return [*found, problem(CHECK, str(error), "set model.attention=auto")]
    passed_over = [
        f"{other} {reason.reason}"
        for other in list(BACKENDS)[: list(BACKENDS).index(name)]
        if (reason := BACKENDS[other].problem(width, dtype, device)) is not None
    ]
    why = f" ({'; '.join(passed_over)})" if passed_over and asked == "auto" else ""
    text = f"model.attention={asked} runs {name} for {kind}, heads of {width}, on {device.type}{why}"
    if has_gpu and name == "sdpa" and dtype not in DTYPES:
        return [*found, note(CHECK, text, "set precision=amp_bf16: the fast kernels take fp16 and bf16 alone")]
    return [*found, ok(CHECK, text)]
