"""Sample objects: named ones from the catalogue, and objects made to order; all deterministic.

- `corpus["h01-ct-1-1"].data`: a Part 10 file, checked against the catalogue
- `make.instance(PatientName="Muller^Anna", Modality="MR")`: an object made to order
- `Maker(scope="CFIND-014").study(series=2, instances=3)`: the same, with UIDs unique to this scope
"""

from harness.corpus.maker import Maker
from harness.corpus.recipes import RECIPES
from harness.corpus.registry import Corpus
from harness.corpus.sample import Sample

__all__ = ["Corpus", "Maker", "Sample", "corpus", "make"]

corpus = Corpus(RECIPES)
make = Maker("MADE")
