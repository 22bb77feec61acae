"""From environment variables to settings.

* `settings`: all settings, with catalogue and deployments
* `tenants`: the callers who share the quota, and their limits
* `url_policy`: the URLs and IP addresses that the app may call, and the webhooks
"""
