"""What stages compute: payload types, the module contract, one file a model family, and where weights come from."""
