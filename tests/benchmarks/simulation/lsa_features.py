"""Writes features of a text data set as a user would bring them: TF-IDF, reduced by an SVD.

    SVP_DATA_DIR=... python -m tests.benchmarks.simulation.lsa_features dbpedia out/dbpedia-lsa

The folder then holds train.npy and test.npy, as `data.features` of an experiment takes them.
No label takes part.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from models.data.arrays import Images
from models.data.readers import Part
from workers.simulation.config import DataConfig
from workers.simulation.data import find_data, source_of


def main() -> None:
    """Write the features of both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a bundled data set of texts")
    parser.add_argument("out", type=Path)
    parser.add_argument("--dim", type=int, default=100)
    given = parser.parse_args()
    config = DataConfig(name=given.data)
    raw = source_of(config).read(find_data(config), config)
    steps = make_pipeline(
        TfidfVectorizer(min_df=3, sublinear_tf=True, stop_words="english"),
        TruncatedSVD(given.dim, random_state=0),
        Normalizer(),
    )
    given.out.mkdir(parents=True, exist_ok=True)
    np.save(given.out / "train.npy", steps.fit_transform(_texts(raw.train)).astype(np.float32))
    if len(raw.test):
        np.save(given.out / "test.npy", steps.transform(_texts(raw.test)).astype(np.float32))
    print(f"{given.out}: {len(raw.train)} + {len(raw.test)} vectors of {given.dim} numbers")


def _texts(part: Part) -> list[str]:
    if isinstance(part.content, Images):
        raise SystemExit("These items are images; name a data set of texts.")
    return part.content


if __name__ == "__main__":
    main()
