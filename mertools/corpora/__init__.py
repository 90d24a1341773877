"""Known corpora. One corpus, one module: its raw layout to a `Corpus`."""
