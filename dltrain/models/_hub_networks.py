"""The text encoders of KerasHub, with their papers and sizes."""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Size(NamedTuple):
    """The numbers of an encoder.

    Args:
        depth: blocks.
        heads: of each self-attention.
        width: of a token's vector within the blocks.
        dense_width: units of a block's hidden dense layer.
        embedding: of a token's vector before them; none for the same.
    """

    depth: int
    heads: int
    width: int
    dense_width: int
    embedding: int | None = None


@dataclass(frozen=True)
class Encoder:
    """The networks of one paper.

    Args:
        backbone: the name in keras_hub.models.
        source: the paper.
        sizes: by name; the first is the default.
        presets: what can be downloaded, by KerasHub's names.
        pooled: the activation of the dense layer over the first token's vector; none where the backbone has it.
        drops_first: whether dropout comes before that layer too.
        hugging_face: what Hugging Face calls the kind of network.
        vocabulary_argument: what KerasHub calls the number of tokens.
        differs: differences from the paper, in whole sentences.
    """

    backbone: str
    source: str
    sizes: dict[str, Size]
    presets: tuple[str, ...]
    pooled: Literal["tanh", "relu", "gelu"] | None = None
    drops_first: bool = False
    hugging_face: str = ""
    vocabulary_argument: str = "vocabulary_size"
    differs: str = ""


_SMALL = {"tiny": Size(2, 2, 128, 512), "mini": Size(4, 4, 256, 1024), "small": Size(4, 8, 512, 2048)}
_BASE, _LARGE = Size(12, 12, 768, 3072), Size(24, 16, 1024, 4096)

ENCODERS = {
    "bert": Encoder(
        "BertBackbone",
        'J. Devlin et al., "BERT: pre-training of deep bidirectional transformers for language understanding", 2019, '
        'section 3; tiny to medium: I. Turc et al., "Well-read students learn better", 2019, table 1.',
        {**_SMALL, "medium": Size(8, 8, 512, 2048), "base": _BASE, "large": _LARGE},
        (
            *("bert_tiny_en_uncased", "bert_small_en_uncased", "bert_medium_en_uncased", "bert_base_en_uncased"),
            *("bert_base_en", "bert_base_zh", "bert_base_multi", "bert_large_en_uncased", "bert_large_en"),
        ),
        hugging_face="bert",
    ),
    "roberta": Encoder(
        "RobertaBackbone",
        'Y. Liu et al., "RoBERTa: a robustly optimized BERT pretraining approach", 2019, section 3.',
        {**_SMALL, "base": _BASE, "large": _LARGE},
        ("roberta_base_en", "roberta_large_en"),
        pooled="tanh",
        drops_first=True,
        differs="tiny, mini and small are BERT's.",
        hugging_face="roberta",
    ),
    "xlm_roberta": Encoder(
        "XLMRobertaBackbone",
        'A. Conneau et al., "Unsupervised cross-lingual representation learning at scale", 2020, table 8.',
        {**_SMALL, "base": _BASE, "large": _LARGE},
        ("xlm_roberta_base_multi", "xlm_roberta_large_multi"),
        pooled="tanh",
        drops_first=True,
        differs="tiny, mini and small are BERT's.",
        hugging_face="xlm-roberta",
    ),
    "distil_bert": Encoder(
        "DistilBertBackbone",
        'V. Sanh et al., "DistilBERT, a distilled version of BERT", 2019, section 3.',
        {**_SMALL, "base": Size(6, 12, 768, 3072)},
        ("distil_bert_base_en_uncased", "distil_bert_base_en", "distil_bert_base_multi"),
        pooled="relu",
        differs="tiny, mini and small are BERT's.",
        hugging_face="distilbert",
    ),
    "deberta_v3": Encoder(
        "DebertaV3Backbone",
        'P. He et al., "DeBERTaV3: improving DeBERTa using ELECTRA-style pre-training", 2021, table 7.',
        {
            "tiny": _SMALL["tiny"],
            "extra_small": Size(12, 6, 384, 1536),
            "small": Size(6, 12, 768, 3072),
            "base": _BASE,
            "large": _LARGE,
        },
        (
            *("deberta_v3_extra_small_en", "deberta_v3_small_en", "deberta_v3_base_en", "deberta_v3_large_en"),
            "deberta_v3_base_multi",
        ),
        pooled="gelu",
        drops_first=True,
        differs="tiny is BERT's.",
        hugging_face="deberta-v2",
    ),
    "albert": Encoder(
        "AlbertBackbone",
        'Z. Lan et al., "ALBERT: a lite BERT for self-supervised learning of language representations", 2020, table 1; '
        "all blocks have the same weights.",
        {
            "tiny": Size(2, 2, 128, 512, 64),
            "base": Size(12, 12, 768, 3072, 128),
            "large": Size(24, 16, 1024, 4096, 128),
            "extra_large": Size(24, 16, 2048, 8192, 128),
            "extra_extra_large": Size(12, 64, 4096, 16384, 128),
        },
        (
            *("albert_base_en_uncased", "albert_large_en_uncased", "albert_extra_large_en_uncased"),
            "albert_extra_extra_large_en_uncased",
        ),
        differs="tiny is nearly BERT's.",
        hugging_face="albert",
    ),
    "electra": Encoder(
        "ElectraBackbone",
        'K. Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", 2020, '
        "table 6; the discriminator.",
        {
            "tiny": Size(2, 2, 128, 512, 64),
            "small": Size(12, 4, 256, 1024, 128),
            "base": Size(12, 12, 768, 3072, 768),
            "large": Size(24, 16, 1024, 4096, 1024),
        },
        (
            "electra_small_discriminator_uncased_en",
            "electra_base_discriminator_uncased_en",
            "electra_large_discriminator_uncased_en",
        ),
        vocabulary_argument="vocab_size",
        differs="tiny is nearly BERT's.",
        hugging_face="electra",
    ),
}
