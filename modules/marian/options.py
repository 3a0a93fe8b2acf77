"""What is the same for every Marian, whatever runs it: the languages, and the tag of a model with several targets.

Models: Tiedemann and Thottingal, 2020, https://aclanthology.org/2020.eamt-1.61, in the architecture of
https://arxiv.org/abs/1804.00344.
"""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from errors import ConfigError
from modules.contract.module import Options


class MarianOptions(Options):
    """Options of every Marian."""

    source_lang: str = Field("en", pattern="^[a-z]{2,3}$", description="language of the text, ISO 639")
    target_lang: str = Field("zh", pattern="^[a-z]{2,3}$", description="language of the translation, ISO 639")
    target_tag: str | None = Field(
        None,
        pattern="^>>[^<>]+<<$",
        description="what a model of several target languages is told before every sentence, such as >>cmn_Hans<<",
    )

    def check_tag(self, vocabulary: Collection[str]) -> None:
        """Refuses a tag that the model does not know: it would be taken for text.

        Raises:
            ConfigError: ``vocabulary`` does not have it.
        """
        if self.target_tag is not None and self.target_tag not in vocabulary:
            tags = sorted(token for token in vocabulary if token.startswith(">>") and token.endswith("<<"))
            remedy = f"use one of {', '.join(tags)}" if tags else "this model has none; leave the option out"
            raise ConfigError(f"target_tag {self.target_tag!r} is unknown to the model; {remedy}")
