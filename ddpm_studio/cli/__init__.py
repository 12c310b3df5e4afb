"""The command line. Prints results to stdout, progress to stderr; loads no Qt."""
