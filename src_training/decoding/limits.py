"""How much a decoder may take of this computer."""

PATIENCE_S = 8.0  # of one question; an ordinary frame takes some milliseconds
START_S = 60.0  # until a new process is ready: a cold disk has libraries to read
MEMORY = 1_280 << 20  # beyond what the libraries take: the decoded budget of 1 GiB, and room to hold it
LARGEST_ANSWER = 1 << 30
