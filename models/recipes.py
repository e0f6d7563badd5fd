"""Recipes of the models: the paper's, to the digit, and a fast one for each family.

Source of the paper's: Selection via Proxy, appendix A.1, and what it cites. The fast ones rise once
to a high rate and fall to 0, on larger minibatches, with smoothed labels.
tests/benchmarks/models/bench_recipes.py measures one against the other.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from models.recipe import Precision, Recipe, Schedule

Recipes = Mapping[str, Recipe]

# 181 epochs. He et al. 2016 (v2) with the weight decay of Selection via Proxy.
CIFAR_PAPER = Recipe(
    epochs_per_stage=(1, 90, 45, 45),
    learning_rates=(0.01, 0.1, 0.01, 0.001),
    crop_padding=4,
    horizontal_flip=True,
)
# The paper's proxy of 50 epochs: `epochs` gives (0, 25, 13, 12) and `epochs_cut` (1, 49) instead.
CIFAR_PAPER_50_EPOCHS = replace(
    CIFAR_PAPER, epochs_per_stage=(1, 45, 4), learning_rates=(0.01, 0.1, 0.01)
)
# Larger minibatches have too few steps for a small labeled set, and wide crops need more epochs.
# preact8, 8 epochs of 4,000 images: 512 at 0.4, padding 4, 61.6% error; 256 at 0.3, 54.8%; 128 at
# 0.2, padding 2, 47.6%; the paper's recipe rescaled to 8 epochs 58.5%, to 16 epochs 48.9%.
CIFAR_FAST = Recipe(
    epochs_per_stage=(30,),
    learning_rates=(0.2,),
    minibatch=128,
    label_smoothing=0.1,
    crop_padding=2,
    horizontal_flip=True,
    schedule=Schedule.ONE_CYCLE,
    warmup_fraction=0.2,
    nesterov=True,
    decay_norms=False,
    precision=Precision.BF16,
)
CIFAR_FEW_LABELS = replace(
    CIFAR_FAST,
    epochs_per_stage=(20,),
    learning_rates=(0.1,),
    minibatch=32,
    horizontal_flip=False,
)
CIFAR: Recipes = MappingProxyType(
    {
        "paper": CIFAR_PAPER,
        "paper_50_epochs": CIFAR_PAPER_50_EPOCHS,
        "fast": CIFAR_FAST,
        "few_labels": CIFAR_FEW_LABELS,
    }
)

# 100 epochs, the first five of warm-up; the rates are for minibatches of 256 and scale with them.
IMAGENET_PAPER = Recipe(
    epochs_per_stage=(1, 1, 1, 1, 1, 25, 30, 20, 20),
    learning_rates=(0.0167, 0.0333, 0.05, 0.0667, 0.0833, 0.1, 0.01, 0.001, 0.0001),
    minibatch=256,
    weight_decay=1e-4,
    label_smoothing=0.1,
    horizontal_flip=True,
    random_resized_crop=True,
    precision=Precision.FP16,
    crop_fraction=224 / 256,
)
# The paper's active learning: 768 images a minibatch for proxy and target alike.
IMAGENET_PAPER_ACTIVE_LEARNING = replace(
    IMAGENET_PAPER,
    minibatch=768,
    learning_rates=tuple(rate * 3 for rate in IMAGENET_PAPER.learning_rates),
)
IMAGENET_FAST = Recipe(
    epochs_per_stage=(18,),
    learning_rates=(2.0,),
    minibatch=1024,
    weight_decay=5e-5,
    label_smoothing=0.1,
    horizontal_flip=True,
    random_resized_crop=True,
    schedule=Schedule.ONE_CYCLE,
    warmup_fraction=0.1,
    nesterov=True,
    decay_norms=False,
    precision=Precision.BF16,
)
IMAGENET_FEW_LABELS = replace(
    IMAGENET_FAST, learning_rates=(0.06,), minibatch=32, horizontal_flip=False
)
IMAGENET: Recipes = MappingProxyType(
    {
        "paper": IMAGENET_PAPER,
        "paper_active_learning": IMAGENET_PAPER_ACTIVE_LEARNING,
        "fast": IMAGENET_FAST,
        "few_labels": IMAGENET_FEW_LABELS,
    }
)

# 15 epochs. Conneau et al. 2017.
VDCNN_PAPER = Recipe(
    epochs_per_stage=(3, 3, 3, 3, 3),
    learning_rates=(0.01, 0.005, 0.0025, 0.00125, 0.000625),
    weight_decay=1e-4,
)
VDCNN_FAST = Recipe(
    epochs_per_stage=(5,),
    learning_rates=(0.04,),
    minibatch=512,
    weight_decay=1e-4,
    label_smoothing=0.1,
    schedule=Schedule.ONE_CYCLE,
    warmup_fraction=0.2,
    nesterov=True,
    decay_norms=False,
    precision=Precision.BF16,
)
VDCNN_FEW_LABELS = replace(VDCNN_FAST, epochs_per_stage=(8,), learning_rates=(0.02,), minibatch=32)
VDCNN: Recipes = MappingProxyType(
    {"paper": VDCNN_PAPER, "fast": VDCNN_FAST, "few_labels": VDCNN_FEW_LABELS}
)

# The paper's fastText is made for millions of texts: on hundreds of labels it is no
# better than chance. It takes one text a step.
FASTTEXT_PAPER = Recipe(
    epochs_per_stage=(5,),
    learning_rates=(0.05,),
    minibatch=1,
    momentum=0.0,
    weight_decay=0.0,
    buckets=10_000_000,
)
# 25 epochs of small minibatches at 1.0 learn from 500 labels (Amazon reviews of 14 domains: 73% at
# 500 labels, 80% at 2,000).
FASTTEXT_FEW_LABELS = Recipe(
    epochs_per_stage=(25,), learning_rates=(1.0,), minibatch=4, momentum=0.0, weight_decay=0.0
)
FASTTEXT_FAST = Recipe(
    epochs_per_stage=(5,),
    learning_rates=(8.0,),
    minibatch=64,
    momentum=0.0,
    weight_decay=0.0,
    buckets=2_000_000,
    schedule=Schedule.ONE_CYCLE,
)
FASTTEXT_UNIGRAMS = replace(FASTTEXT_FEW_LABELS, word_ngrams=1)
FASTTEXT: Recipes = MappingProxyType(
    {
        "few_labels": FASTTEXT_FEW_LABELS,
        "paper": FASTTEXT_PAPER,
        "fast": FASTTEXT_FAST,
        "unigrams": FASTTEXT_UNIGRAMS,
    }
)

# Nothing is trained by steps; weight_decay is the inverse of the regression's C.
TFIDF_LINEAR = Recipe(
    epochs_per_stage=(1,),
    learning_rates=(1.0,),
    weight_decay=0.1,
    word_ngrams=1,
    buckets=262_144,
)
TFIDF: Recipes = MappingProxyType({"linear": TFIDF_LINEAR})

PROBE_LINEAR = Recipe(
    epochs_per_stage=(30,),
    learning_rates=(0.05,),
    weight_decay=1e-4,
    schedule=Schedule.ONE_CYCLE,
    warmup_fraction=0.1,
    nesterov=True,
)
PROBE: Recipes = MappingProxyType(
    {"linear": PROBE_LINEAR, "mlp": replace(PROBE_LINEAR, hidden=256)}
)
