"""How stages run: wire messages, broker and scheduler, the replica's loop, supervisor, budgets and clients."""
