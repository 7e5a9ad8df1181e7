import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.planning.read_counts import read_counts


def test_both_forms(tmp_path):
    table = tmp_path / "counts.csv"
    table.write_text("source,language,tokens\nweb,deu,100\nweb,fra,0\ncode,und,65\n")
    assert {name: (size.tokens, size.blocks) for name, size in read_counts(table, 64).items()} == {
        "web/deu": (100, 2),
        "code/und": (65, 2),
    }
    table.write_text(
        "language,pretrain,decay-eng,decay-all,decay-mid,ext\neng,9,9,9,9,9\ndeu,100,9,9,9,9\nxxx,0,0,5,0,0\n"
    )
    assert {name: size.tokens for name, size in read_counts(table, 64).items()} == {
        "fineweb2/deu": 100,
        "fineweb2/xxx": 5,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n",
            "needs the columns source, language and tokens, or those of mmBERT's published counts: language, pre",
        ),
        ("source,language,tokens\nweb,deu,many\n", "line 2: tokens='many'"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    table = tmp_path / "counts.csv"
    table.write_text(text)
    with pytest.raises(UserError, match=message):
        read_counts(table, 64)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_counts(tmp_path / "none.csv", 64)
