"""The project's own database: what was said, what happened, what is wished for, and what a person has to look at."""
