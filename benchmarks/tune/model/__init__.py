"""What is known of each stage: its profile as measured, and the model that is fitted to it."""
