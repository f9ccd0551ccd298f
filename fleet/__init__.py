"""A fleet on one machine: origins, Redis, edges, a balancer and viewers, and trouble.

``python -m fleet`` prints the table of docs/scaling.md; the short form of it is part of
the end-to-end tests.
"""
