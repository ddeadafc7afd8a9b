"""The command, as people and service managers meet it."""
