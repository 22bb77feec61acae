"""Limits on rate and money.

* `pool_ledger`: the ledger of a quota pool, changed by `acquire` and `report`
* `pacing`: tickets and call times of a pool
* `fair_queue`: the order of those who wait, by the weights of their tenants
* `adaptive_rate`: the rate of a pool, adapted to what the service accepts
* `circuit_breaker`: no calls to a blocked pool or a misconfigured deployment
* `budget`: the ledger of a daily budget
"""
