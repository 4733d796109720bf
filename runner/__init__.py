"""runner: batch jobs for the xAI API that can be killed at any moment and carry on."""

__version__ = "0.1.0"
