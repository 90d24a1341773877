"""Networks that both embed and train."""
