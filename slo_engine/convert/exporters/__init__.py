"""SLOs of ours -> files of other tools."""
