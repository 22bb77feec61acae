"""From a job to its plans.

* `planner`: check a job against the settings and return its plans
* `router`: choose a model and deployments, and write one plan for each model and size
* `decision`: what one model makes of a job
* `plan`: the plan as data
"""
