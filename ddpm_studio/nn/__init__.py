"""The network and its running average."""
