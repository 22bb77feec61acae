"""What the properties are tried on: sizes, jobs, models, deployments."""

from typing import Any

from hypothesis import strategies as st

from shared.catalogue.deployments import Deployment
from shared.catalogue.fitting import find_nearest_size
from shared.catalogue.models import Model, read_builtin
from shared.catalogue.sizes import FreeSizes
from shared.jobs.job import Job

MODELS = tuple(read_builtin().models.values())
EDGES = st.integers(min_value=1, max_value=9999)
ASPECTS = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda s: f"{s[0]}:{s[1]}")
CLASSES = st.sampled_from(["1k", "2k", "4k"])
TIERS = st.sampled_from(["small", "standard", "large"])


def models() -> st.SearchStrategy[Model]:
    """Any model of the catalogue."""
    return st.sampled_from(MODELS)


def free_rules() -> st.SearchStrategy[FreeSizes]:
    """The limits of any model that makes free sizes."""
    return st.sampled_from([m.sizes for m in MODELS if isinstance(m.sizes, FreeSizes)])


def valid_sizes(model: Model) -> st.SearchStrategy[tuple[int, int]]:
    """Any size that the model makes."""
    if not isinstance(model.sizes, FreeSizes):
        return st.sampled_from(model.sizes.sizes)
    rules = model.sizes
    return st.tuples(EDGES, EDGES).map(lambda size: find_nearest_size(rules, *size))


def sizes() -> st.SearchStrategy[str]:
    """Any size, as a caller may write it."""
    exact = st.tuples(EDGES, EDGES).map(lambda size: f"{size[0]}x{size[1]}")
    on_grid = st.tuples(st.integers(48, 240), st.integers(48, 240)).map(
        lambda size: f"{size[0] * 16}x{size[1] * 16}"
    )
    named = st.tuples(CLASSES | TIERS, ASPECTS).map(" ".join)
    usual = st.sampled_from(["1024x1024", "1536x1024", "1024x1536", "auto"])
    return exact | on_grid | named | usual | ASPECTS | CLASSES | TIERS


def jobs(**fixed: Any) -> st.SearchStrategy[Job]:  # noqa: ANN401 - any field of a job
    """Any job that this version acts on; fields given are fixed."""
    format_ = st.shared(st.sampled_from(["png", "jpeg"]), key="format")
    fields: dict[str, st.SearchStrategy[Any]] = {
        "job_id": st.just("job-1"),
        "prompt": st.just("a fox in the snow"),
        "model": st.sampled_from(["auto", "cheapest", *(model.name for model in MODELS)]),
        "size": sizes(),
        "routing": st.sampled_from(["auto", "legacy", "bucket", "service"]),
        "quality": st.sampled_from(["auto", "low", "medium", "high", "xhigh", "max"]),
        "fit": st.sampled_from(["scale", "reject"]),
        "n": st.integers(1, 10),
        "previews": st.sampled_from([0, 0, 0, 1, 3]),
        "format": format_,
        "compression": format_.flatmap(
            lambda name: st.none() | st.integers(0, 100) if name == "jpeg" else st.none()
        ),
        "background": format_.flatmap(
            lambda name: st.sampled_from(
                ["auto", "opaque", "transparent"] if name == "png" else ["auto", "opaque"]
            )
        ),
    }
    return st.builds(Job, **(fields | {name: st.just(value) for name, value in fixed.items()}))


def deployment(name: str, **fields: Any) -> Deployment:  # noqa: ANN401 - any field of a deployment
    """A deployment with everything filled in, as the settings leave it."""
    model = read_builtin().get(fields.pop("model", name))
    shape = fields.pop("url", model.url)
    filled = {
        "name": name,
        "model": model.name,
        "endpoint": "https://res.openai.azure.com",
        "url": shape,
        "api_version": model.api_version_for(shape),
        "scope": model.scope,
        "rpm": model.rpm,
        "pool": model.name,
    }
    return Deployment.model_validate(filled | fields)


def every_deployment() -> tuple[Deployment, ...]:
    """One deployment of each model of the catalogue."""
    return tuple(deployment(model.name) for model in MODELS)
