"""What models can do and cost.

* `models`: the catalogue of models, read from `models.toml`
* `deployments`: where an operator has deployed a model
* `sizes`: sizes as callers write them, and which sizes a model makes
* `fitting`: the nearest size that a model makes
* `pricing`: tokens and dollars, estimated before a call and computed after it
"""
