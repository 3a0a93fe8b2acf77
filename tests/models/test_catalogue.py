"""The catalogue describes the files that were fetched."""

import pytest

from modules.weights import load_catalog, verify


@pytest.mark.parametrize("name", load_catalog().models)
def test_real_models_are_as_the_catalogue_records_them(name: str) -> None:
    assert verify(name).name == name
