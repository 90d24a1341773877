"""Models, one module each; a module registers its models when imported."""
