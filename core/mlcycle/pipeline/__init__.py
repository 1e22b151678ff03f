"""Stages are commands, so this room imports no phase. The declared pipeline arrives with its own issue."""
