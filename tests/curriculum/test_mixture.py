import pytest

from mmbert_composer.curriculum import StreamSize
from mmbert_composer.curriculum.mixture import select_streams
from mmbert_composer.curriculum.phase import SourceMixture
from mmbert_composer.errors import UserError

STREAMS = ("web/deu_Latn", "web/srp", "web/srp_Latn", "web/uzn_Cyrl", "web/uzn_Latn", "wiki/deu", "wiki/uzn_Latn")
SIZES = {name: StreamSize(100, 2) for name in STREAMS} | {"web/fao_Latn": StreamSize(0, 0)}


def chosen(source, languages):
    return select_streams(source, SourceMixture(1.0, languages), SIZES, "here")


@pytest.mark.parametrize(
    ("source", "languages", "streams"),
    [
        ("web", ["deu"], ["web/deu_Latn"]),
        ("web", ["uzn"], ["web/uzn_Cyrl", "web/uzn_Latn"]),
        ("web", ["uzn_Latn"], ["web/uzn_Latn"]),
        ("web", ["srp"], ["web/srp"]),  # the stream of just that name, and no other beside it
        ("web", ["srp", "srp_Latn", "srp"], ["web/srp", "web/srp_Latn"]),
        ("web", ["uzn", "uzn_Latn"], ["web/uzn_Cyrl", "web/uzn_Latn"]),
        ("*", ["deu"], ["web/deu_Latn", "wiki/deu"]),
        ("*", ["uzn_Latn"], ["web/uzn_Latn", "wiki/uzn_Latn"]),
    ],
)
def test_a_code_means_its_stream_or_all_scripts(source, languages, streams):
    assert chosen(source, languages) == streams


@pytest.mark.parametrize(
    ("source", "languages", "message"),
    [
        ("wiki", ["deu", "deu_Latn"], r"here: the data lacks deu_Latn .*in source 'wiki'"),
        ("web", ["deu", "fra", "fao"], "here: the data lacks fra, fao"),
        ("web", ["fao_Latn"], "without a training block: web/fao_Latn"),
        ("*", ["zzz"], "the data lacks zzz"),
    ],
)
def test_what_the_data_lacks(source, languages, message):
    with pytest.raises(UserError, match=message):
        chosen(source, languages)
