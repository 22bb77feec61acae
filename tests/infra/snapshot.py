"""Makes azure_types.json: run by scripts/azure-types, which brings what this needs."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

TARGET: Final = Path(__file__).with_name("azure_types.json")

#: What infra/ deploys, as Microsoft's Bicep types know it.
BICEP: Final = (
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.CognitiveServices/accounts",
    "Microsoft.CognitiveServices/accounts/deployments",
    "Microsoft.Consumption/budgets",
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions",
    "Microsoft.EventGrid/topics",
    "Microsoft.EventGrid/topics/eventSubscriptions",
    "Microsoft.Insights/components",
    "Microsoft.Insights/workbooks",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Network/privateEndpoints",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Storage/storageAccounts/queueServices/queues",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
)
#: Types that those lack: the module of the SDK, its class, and the API version to name.
SDK: Final = {
    "Microsoft.Insights/actionGroups": (
        "azure.mgmt.monitor.models",
        "ActionGroupResource",
        "2023-01-01",
    ),
    "Microsoft.Insights/scheduledQueryRules": (
        "azure.mgmt.monitor.models",
        "ScheduledQueryRuleResource",
        "2023-12-01",
    ),
    "Microsoft.Network/privateDnsZones": (
        "azure.mgmt.privatedns.models",
        "PrivateZone",
        "2024-06-01",
    ),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": (
        "azure.mgmt.privatedns.models",
        "VirtualNetworkLink",
        "2024-06-01",
    ),
}
#: Members that Azure takes and those types lack: resource, type, member, its type.
#: siteUpdateStrategy: "with API version 2024-11-01 or later", says
#: learn.microsoft.com/azure/azure-functions/flex-consumption-site-updates (read 2026-11).
ADDED: Final = (
    ("Microsoft.Web/sites", "FunctionAppConfig", "siteUpdateStrategy", "SiteUpdateStrategy"),
    ("Microsoft.Web/sites", "SiteUpdateStrategy", "type", "Recreate | RollingUpdate"),
)
PRIMITIVES: Final = {"str": "string", "int": "int", "bool": "bool", "float": "int"}


def main(azmcp: str) -> None:
    """Write the file."""
    found = {kind: of_bicep(azmcp, kind) for kind in BICEP}
    found |= {kind: of_sdk(*place) for kind, place in SDK.items()}
    for kind, name, member, value in ADDED:
        found[kind]["types"].setdefault(name, {"members": {}})["members"].setdefault(member, value)
    lines = [f"{json.dumps(kind)}: {json.dumps(found[kind])}" for kind in sorted(found)]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def of_bicep(azmcp: str, kind: str) -> dict[str, Any]:
    """Return version, body and named types of a resource, without prose and what is only read."""
    command = [azmcp, "bicepschema", "get", "--resource-type", kind]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 (fixed, and ours)
    schema = json.loads(done.stdout)["results"]["BicepSchemaResult"]
    resource = next(
        each
        for each in schema
        if each["$type"] == "Resource" and each["name"].lower().startswith(f"{kind.lower()}@")
    )
    named = {each["name"]: each for each in schema if each["$type"].endswith("Object")}
    body = shape(resource["bodyType"])
    types: dict[str, Any] = {}
    waiting = [body]
    while waiting:
        for name in names(waiting.pop()):
            if name in named and name not in types:
                types[name] = shape(named[name])
                waiting.append(types[name])
    return {"version": resource["name"].partition("@")[2], "body": body, "types": types}


def shape(kind: dict[str, Any]) -> dict[str, Any]:
    """Return an object as its members: type, and whether one must, or may not, be given."""
    if kind["$type"] == "DiscriminatedObject":
        return {
            "by": kind["discriminator"],
            "members": members(kind["baseProperties"]),
            "cases": {case_of(kind, each): shape(each) for each in kind["elements"]},
        }
    found: dict[str, Any] = {"members": members(kind["properties"])}
    if rest := kind.get("additionalPropertiesType"):
        found["rest"] = rest
    return found


def case_of(kind: dict[str, Any], element: dict[str, Any]) -> str:
    """Return the value of the discriminator that stands for an element."""
    return next(
        str(each["type"]) for each in element["properties"] if each["name"] == kind["discriminator"]
    )


def members(properties: list[dict[str, Any]]) -> dict[str, str]:
    """Return a type for each member, marked with `!` if required and `-` if it is only read."""
    return {
        each["name"]: "-"
        if "ReadOnly" in each.get("flags", "")
        else ("!" if "Required" in each.get("flags", "") else "") + each["type"]
        for each in properties
    }


def names(kind: dict[str, Any]) -> set[str]:
    """Return every name that may be a type within a shape."""
    texts = [*kind["members"].values(), kind.get("rest", "")]
    found = {name for text in texts for name in re.split(r"[\s|!()\[\]]+", text) if name}
    for case in kind.get("cases", {}).values():
        found |= names(case)
    return found


def of_sdk(module: str, model: str, version: str) -> dict[str, Any]:
    """Return the same of a class of the SDK, whose members may be flattened out of `properties`."""
    models = importlib.import_module(module)
    types: dict[str, Any] = {}

    def named(kind: str) -> str:
        if kind.startswith("["):
            return f"{named(kind[1:-1])}[]"
        if kind.startswith("{"):
            types["Dictionary"] = {"members": {}, "rest": named(kind[1:-1])}
            return "Dictionary"
        found = getattr(models, kind, None)
        if not hasattr(found, "_attribute_map"):
            return PRIMITIVES.get(kind, "string" if kind in {"duration", "iso-8601"} else "any")
        if kind not in types:
            types[kind] = {}
            types[kind] |= shaped(found)
        return kind

    def shaped(kind: Any) -> dict[str, Any]:  # noqa: ANN401 (a class of a generated SDK)
        flat: dict[str, str] = {}
        inner: dict[str, str] = {}
        for attribute, where in kind._attribute_map.items():
            rules = kind._validation.get(attribute, {})
            path = where["key"].split(".")
            told = (
                "-"
                if rules.get("readonly")
                else ("!" if rules.get("required") else "") + named(where["type"])
            )
            (inner if len(path) > 1 else flat)[path[-1]] = told
        if inner:
            types[f"{kind.__name__}Properties"] = {"members": inner}
            flat["properties"] = f"{kind.__name__}Properties"
        return {"members": flat}

    body = shaped(getattr(models, model))
    body["members"]["name"] = "!string"
    return {"version": version, "body": body, "types": types}


if __name__ == "__main__":
    main(sys.argv[1])
