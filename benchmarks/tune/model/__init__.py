"""What is known of each stage: its profile as measured (`measure`, `profile`), and the model fitted to it (`fit`).

`core_demand` says how replicas share cores. May import the pipeline to measure; knows no setting and no simulation.
"""
