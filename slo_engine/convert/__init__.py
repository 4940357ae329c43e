"""SLO files of Sloth, OpenSLO and Pyrra -> ours, and ours -> OpenSLO. Pure but for reading the files."""
