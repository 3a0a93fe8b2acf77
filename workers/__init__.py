"""How stages run: one broker, replicas that connect to it, a supervisor that keeps them alive, and clients.

A worker knows no model: it runs any module of `modules.contract`. Rooms import downwards only:
`supervisor` → `broker`, `replica`, `client` → `plan` → `config` → `scheduling`, `processes` → `wire`. The broker,
a replica and a client know each other only by the messages of `wire`.
"""
