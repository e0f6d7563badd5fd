"""The labeling service: HTTP API, use cases, domain rules, database and artifact store.

Never reaches torch.
"""
