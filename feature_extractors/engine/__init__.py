"""Runs extractors over a corpus: plan, decode, batch, embed, write.

The road of a run: `ledger` compares the corpus with the store and makes tasks out of the groups of the `plan`; an
engine (`engines`, `local`) gives them to a `worker`, whose `feeder` threads read clips ahead (`reader`), whose batchers
(`batching`) call the extractors (`embedding`), and whose writer thread (`writing`) makes groups durable.
"""

from feature_extractors.engine.estimate import Estimate, estimate
from feature_extractors.engine.options import ExtractionOptions
from feature_extractors.engine.running import check, run
from feature_extractors.engine.summary import ExtractionSummary, SpaceSummary

__all__ = ["Estimate", "ExtractionOptions", "ExtractionSummary", "SpaceSummary", "check", "estimate", "run"]
