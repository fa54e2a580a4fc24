// Replaced in a moment by the command line.
