"""What several measurements share: the environment, process trees, memory and threads that keep cores busy."""
