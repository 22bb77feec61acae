import re

from local.contracts.house import layers, packages, printed


def test_the_picture_names_every_package_once_from_the_top() -> None:
    titles = re.findall(r'<text class="title ink"[^>]*>(\w+)(?:/|\.py)</text>', printed())
    assert titles == [name for layer in layers() for name in layer]


def test_a_package_lists_its_modules_by_folder_and_what_it_imports() -> None:
    found = packages()
    workflows = dict(found["workflows"].modules)
    assert "sweep" in workflows[""]
    assert "generate" in workflows["generation"]
    assert found["errors"].modules == ()
    assert "errors" in found["jobs"].imports


def test_only_the_outer_packages_reach_the_network() -> None:
    found = packages()
    assert {"adapters", "client", "triggers"} <= {n for n, p in found.items() if p.reaches_network}
    assert not any(found[name].reaches_network for name in ("workflows", "records", "jobs"))
