"""Options that every Marian shares, whatever library runs it: the languages, and the tag of a target language.

Models: Tiedemann and Thottingal, 2020, https://aclanthology.org/2020.eamt-1.61; architecture:
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
        description="tag that a model of several target languages needs before every sentence, such as >>cmn_Hans<<",
    )

    def check_tag(self, vocabulary: Collection[str]) -> None:
        """Refuses a tag that the model does not know and would take for text.

        Raises:
            ConfigError: ``vocabulary`` does not have the tag.
        """
        if self.target_tag is not None and self.target_tag not in vocabulary:
            tags = sorted(token for token in vocabulary if token.startswith(">>") and token.endswith("<<"))
            remedy = f"use one of {', '.join(tags)}" if tags else "this model has none; leave the option out"
            raise ConfigError(f"target_tag {self.target_tag!r} is unknown to the model; {remedy}")
