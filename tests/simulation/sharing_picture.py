"""Draw who got which calls of a quota, from a simulated run: `docs/sharing.svg`.

`python -m tests.simulation.sharing_picture docs/sharing.svg` writes it again.
"""

import sys
from pathlib import Path
from typing import Final

from shared.limits.pacing import Share
from tests.simulation.tenants import Case, simulate

RPM: Final = 60.0
MINUTES: Final = 15
#: Tenant, weight, number of jobs, and the minute in which they come.
JOBS: Final = (("catalogue", 1.0, 900, 0), ("shop", 1.0, 150, 2), ("news", 2.0, 200, 5))
COLOURS: Final = {"catalogue": "#8aa4c8", "shop": "#e0a458", "news": "#5b8c5a"}
WIDTH, HEIGHT, LEFT, TOP, BAR = 720, 320, 60, 50, 38


def counts() -> list[dict[str, int]]:
    """Return the calls of each tenant in each minute."""
    jobs = [
        (minute * 60.0, Share(tenant, weight))
        for tenant, weight, number, minute in JOBS
        for _ in range(number)
    ]
    case = Case("picture", jobs, MINUTES * 60.0, (0.0, MINUTES * 60.0))
    run = simulate(case, RPM, hosts=4, seed=1).run
    made = [dict.fromkeys(COLOURS, 0) for _ in range(MINUTES)]
    for each in run.everyone:
        if each.called is not None:
            made[int(each.called // 60)][each.share.tenant] += 1
    return made


def draw(made: list[dict[str, int]]) -> str:
    """Return the picture as SVG."""
    scale = (HEIGHT - TOP - 50) / (RPM * 1.2)
    base = HEIGHT - 50
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="13" role="img">'
        ),
        "<title>Calls a minute of three tenants that share a quota</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for index, (tenant, weight, number, _) in enumerate(JOBS):
        x = LEFT + index * 215
        parts += [
            f'<rect x="{x}" y="14" width="12" height="12" fill="{COLOURS[tenant]}"/>',
            (f'<text x="{x + 18}" y="25">{tenant}: weight {weight:g}, {number} jobs</text>'),
        ]
    for minute, called in enumerate(made):
        y, x = float(base), LEFT + minute * (BAR + 5)
        for tenant, number in called.items():
            height = number * scale
            y -= height
            parts.append(
                f'<rect x="{x}" y="{y:.1f}" width="{BAR}" height="{height:.1f}" '
                f'fill="{COLOURS[tenant]}"/>'
            )
            if number > 5:
                parts.append(
                    f'<text x="{x + BAR / 2}" y="{y + height / 2 + 4:.1f}" text-anchor="middle">'
                    f"{number}</text>"
                )
        parts.append(
            f'<text x="{x + BAR / 2}" y="{base + 18}" text-anchor="middle">{minute}</text>'
        )
    quota = base - RPM * scale
    parts += [
        (
            f'<line x1="{LEFT - 5}" x2="{WIDTH}" y1="{quota:.1f}" y2="{quota:.1f}" stroke="#333" '
            'stroke-dasharray="4 3"/>'
        ),
        f'<text x="{LEFT - 10}" y="{quota + 4:.1f}" text-anchor="end">{RPM:.0f}</text>',
        (
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">minute; calls a minute, '
            "dashed: the quota</text>"
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(counts()))
