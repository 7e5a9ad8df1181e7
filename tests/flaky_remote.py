"""A remote that can fail: a folder, under an address that Streaming fetches from."""

import shutil
import threading
from pathlib import Path

import pytest
from streaming.base.storage import download as streaming_download

from mmbert_composer.data import download


class FlakyRemote:
    """Serves ``folder`` at ``flaky://there``; the next ``failures`` tries fail."""

    address = "flaky://there"

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.failures = 0
        self.tries = 0
        self.fetched: list[str] = []
        remote = self

        class Downloader(streaming_download.CloudDownloader):
            @staticmethod
            def _client_identifier() -> str:
                return "flaky"

            def clean_up(self) -> None:
                pass

            def _download_file_impl(self, remote_path: str, local: str, timeout: float) -> None:
                remote.copy(remote_path.removeprefix(f"{remote.address}/"), local)

        monkeypatch.setitem(streaming_download.DOWNLOADER_MAPPINGS, "flaky", Downloader)
        monkeypatch.setattr(download, "_clients", threading.local())  # not those of an earlier test

    def copy(self, name: str, local: str) -> None:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the line is down")
        self.fetched.append(name)
        shutil.copyfile(self.folder / name, local)
