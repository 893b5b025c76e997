import dataclasses

import pytest

from s2s.config.data import Corpus, DataConfig, SubwordKind, SubwordsConfig, portable
from s2s.config.options import check_options
from s2s.errors import ConfigError

FILES = ["/corpora/a.ko", "/corpora/a.en.gz"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DataConfig(Corpus.files), r"data=files needs data\.train=SOURCE_FILE,TARGET_FILE; nothing was given"),
        (DataConfig(train=FILES), "belong to data=files and data=labelled, not to data=phrasebook"),
        (DataConfig(Corpus.multi30k, dev=FILES), "belong to data=files and data=labelled, not to data=multi30k"),
        (DataConfig(test=FILES), "belong to data=files and data=labelled"),
        (DataConfig(Corpus.labelled), r"data=labelled needs data\.train=TEXT_FILE,LABEL_FILE; nothing was given"),
        (DataConfig(Corpus.labelled, train=list("abc")), r"takes TEXT_FILE,LABEL_FILE, or one file with a tab"),
        (DataConfig(Corpus.files, train=FILES, dev=[*FILES, "c"]), r"data\.dev takes .* but got 3 files"),
        (DataConfig(Corpus.files, train=FILES, test=list("abc")), r"data\.test takes .* but got 3 files"),
        (
            DataConfig(Corpus.multi30k, source_language="de", target_language="de"),
            r"data\.source_language and data\.target_language are both de",
        ),
        (DataConfig(dev_share=0.2), r"data\.dev_share cuts a dev set out of files of your own"),
        (DataConfig(Corpus.files, train=FILES, dev=FILES, dev_share=0.2), r"add data\.dev_share=null"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: DataConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options, "data.")


@pytest.mark.parametrize(
    "options",
    [
        DataConfig(Corpus.files, train=FILES, dev=FILES, test=FILES),
        DataConfig(Corpus.files, train=FILES, dev_share=0.2),
        DataConfig(Corpus.multi30k, source_language="fr", target_language="cs"),
    ],
    ids=str,
)
def test_what_makes_sense_is_allowed(options: DataConfig) -> None:
    check_options(options, "data.")


def test_whole_words_are_not_cut_at_random() -> None:
    with pytest.raises(ConfigError, match=r"^subwords\.sampling=true belongs to subwords\.kind=unigram or bpe, not"):
        check_options(SubwordsConfig(SubwordKind.word, sampling=True), "subwords.")
    check_options(SubwordsConfig(SubwordKind.bpe, sampling=True), "subwords.")


def test_portable_is_done_after_once_and_leaves_the_rest() -> None:
    data = DataConfig(corpus=Corpus.files, train=FILES, dev=["../x", "./y"], max_words=33)
    assert portable(portable(data)) == portable(data)
    assert dataclasses.replace(portable(data), train=FILES, dev=["../x", "./y"]) == data
    assert portable(DataConfig()) == DataConfig()
