"""`data=multi30k`: image captions in English, German, French and Czech, from a folder or downloaded."""

import re
from collections.abc import Iterable
from pathlib import Path

from s2s.config.data import DataConfig, Split
from s2s.data.text.corpus_reader import TextFiles
from s2s.data.text.download import cache_folder, download
from s2s.errors import DataError

MULTI30K_URL = (
    "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
)

# sha256 of each file at that commit (Elliott et al. 2016, W16-3210; captions for non-commercial research).
MULTI30K = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.fr.gz": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.cs.gz": "200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1",
}
_NAMES = {Split.train: "train", Split.dev: "val", Split.test: "test_2016_flickr"}


def build_reader(config: DataConfig, seed: int) -> TextFiles:
    """The three splits of a pair of languages.

    Raises:
        DataError: as in `multi30k_paths`.
    """
    root = Path(config.root) if config.root else None
    languages = config.source_language, config.target_language
    cache = cache_folder(config.cache)
    return TextFiles({split: multi30k_paths(root, cache, name, *languages) for split, name in _NAMES.items()})


def multi30k_paths(
    root: Path | None,
    cache: Path,
    split: str,
    source_language: str,
    target_language: str,
    base_url: str = MULTI30K_URL,
) -> tuple[Path, Path]:
    """The source and the target file of a split: those under `root` or, where root is None, downloaded into `cache`.

    Args:
        split: as it is called upstream: train, val or test_2016_flickr.

    Raises:
        DataError: `root` lacks a file, Multi30k has no such file, or it cannot be downloaded.
    """
    source, target = (f"{split}.{language}.gz" for language in (source_language, target_language))
    if root is not None:
        return _find_under(root, source), _find_under(root, target)
    folder = cache / "multi30k"
    return _download(source, folder, base_url), _download(target, folder, base_url)


def _download(name: str, folder: Path, base_url: str) -> Path:
    if name not in MULTI30K:
        raise DataError(f"expected a file of Multi30k, got {name}; it has {_describe(MULTI30K)}")
    return download(f"{base_url}/{name}", MULTI30K[name], folder / name)


def _find_under(root: Path, name: str) -> Path:
    """The file `name`, which ends in .gz, or the same without .gz, in the folder `root`."""
    plain = name.removesuffix(".gz")
    for path in (root / name, root / plain):
        if path.is_file():
            return path
    found = _describe(path.name for path in root.iterdir()) if root.is_dir() else "no such folder"
    raise DataError(
        f"expected {name} or {plain} in {root}, found {found}\nCheck data.root, the languages and the split."
    )


def _describe(names: Iterable[str]) -> str:
    """Which languages and splits files with these names hold."""
    pattern = re.compile(r"(train|val|test\w*)\.([a-z]{2,3})(?:\.gz)?")
    found = [match.groups() for match in map(pattern.fullmatch, names) if match]
    if not found:
        return "no file named like train.en.gz"
    splits, languages = (", ".join(sorted(set(values))) for values in zip(*found, strict=True))
    return f"languages {languages}; splits {splits}"
