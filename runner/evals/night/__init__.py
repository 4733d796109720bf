"""The steps of a night: begin, load, advance, decide, and what follows its verdict."""
