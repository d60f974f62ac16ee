"""Other engines of durable graphs, to be measured beside Fireloom: LangGraph and DBOS, both on Postgres.

What is here runs in an environment of its own, made from its own lock. So Pyright checks the two files that import the
engines only there: `.venv/bin/pyright --pythonpath build/environments/peers-…/bin/python scripts/local/peers`.
"""
