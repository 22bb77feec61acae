"""Get the plan and the cost of a job before anything is sent.

The client knows the app's deployments (here by name, or from FOUNDRY_DEPLOYMENTS), so it decides
exactly as the app does.
"""

from image_jobs.client import ImageJobs, UnsupportedRequest

with ImageJobs(deployments=["gpt-image-2", "gpt-image-1-mini"]) as jobs:
    for size in ("1024x1024", "4k 16:9", "7680x4320"):
        quote = jobs.estimate("a poster", size=size, quality="high")
        (plan,) = quote.plans or ()
        print(f"{size:>10}: {plan.width}x{plan.height} on {plan.model}, ${quote.estimate_usd:.4f}")
        for made in plan.adjustments:
            print(f"            {made.field} became {made.decided}: {made.reason}")
    try:
        jobs.estimate("a banner", size="4000x500", fit="reject")
    except UnsupportedRequest as refused:
        print(refused.faults[0])
