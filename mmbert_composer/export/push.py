"""Uploading an exported folder to the Hugging Face hub; everything that can refuse it is asked before the export."""

from pathlib import Path

from mmbert_composer.errors import UserError


def check_push(repo: str) -> None:
    """Raise a UserError unless a model can be pushed to ``repo`` ("user/name") from here and now.

    Asks for a well-formed name, no HF_HUB_OFFLINE, a token (HF_TOKEN, or that of ``hf auth login``) that the hub takes.
    """
    from huggingface_hub import constants, get_token, whoami
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UserError(f"push: {repo!r} is no name of a model on the hub: {error}") from error
    if repo.count("/") != 1:
        raise UserError(f"push: {repo!r} must be USER/NAME or ORGANISATION/NAME")
    if constants.HF_HUB_OFFLINE:
        raise UserError("push: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it, or leave --push out")
    if get_token() is None:
        raise UserError("push: no token for the hub; set HF_TOKEN (with the right to write), or run `hf auth login`")
    try:
        whoami()
    except HfHubHTTPError as error:
        raise UserError(f"push: the hub refuses the token: {str(error).splitlines()[0]}") from error
    except OSError as error:  # no network: what requests raises is one
        raise UserError(f"push: the hub cannot be reached ({error}); export now and push later") from error


def push_folder(folder: Path, repo: str, *, private: bool = False) -> str:
    """Upload ``folder`` to the model ``repo``, made if it does not exist; the model's address.

    ``private``: of a model made now; the visibility of an existing one stays.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi()
    try:
        url = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message=f"Upload {folder.name}")
    except (HfHubHTTPError, OSError) as error:
        raise UserError(
            f"push: {folder} is written, but the upload to {repo} failed: {str(error).splitlines()[0]}. "
            f"Try again with: hf upload {repo} {folder}"
        ) from error
    return str(url)
