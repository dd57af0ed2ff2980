"""How the named samples are made, one module per group of the catalogue."""

from types import MappingProxyType

from harness.corpus.recipes import (
    character_sets,
    confidential,
    elements,
    hierarchy,
    malformed,
    pixels,
    worklists,
)

_GROUPS = (hierarchy, character_sets, pixels, elements, confidential, worklists, malformed)

RECIPES = MappingProxyType({recipe.id: recipe for group in _GROUPS for recipe in group.recipes()})
