# SPDX-License-Identifier: Apache-2.0
"""The figures of compare.py as an SVG: bars for each peer, as multiples of the
floor, on a logarithmic scale."""

import math

WIDTH, BAR, GAP, LEFT, TOP = 860, 14, 22, 300, 60
COLOURS = ["#9aa5b1", "#2563eb", "#d97706", "#7c3aed", "#059669"]
SHOWN = [("cpu_us", "CPU for a heartbeat"),
         ("calls", "system calls for a heartbeat"),
         ("all_ms", "time until all have reported"),
         ("first_ms", "exec to first report"),
         ("rss_kb", "memory of the process")]


def groups(results):
    """(title, {peer: multiple of the floor, value}) of all that have both."""
    sizes = sorted({(scheme, n) for _, scheme, n in results},
                   key=lambda s: (s[0] != "ws", s[1]))
    for key, title in SHOWN:
        for scheme, n in sizes:
            floor = results.get(("floor", scheme, n), {}).get(key)
            if not floor or (key == "first_ms" and n != 1):
                continue
            yield f"{title}, {scheme}, {n:,}", {
                name: figures[key] / floor
                for (name, s, m), figures in results.items()
                if (s, m) == (scheme, n) and key in figures}


def bars(results, names):
    shown = list(groups(results))
    most = max((v for _, g in shown for v in g.values()), default=10)
    scale = (WIDTH - LEFT - 80) / math.log10(max(most, 10) * 10)
    out, y = [], TOP
    for title, group in shown:
        out.append(f'<text x="{LEFT - 8}" y="{y + 11}" '
                   f'text-anchor="end">{title}</text>')
        for name, value in group.items():
            length = max(math.log10(value * 10) * scale, 1)
            out.append(f'<rect x="{LEFT}" y="{y}" width="{length:.0f}" '
                       f'height="{BAR - 2}" '
                       f'fill="{COLOURS[names.index(name) % 5]}"/>'
                       f'<text x="{LEFT + length + 4:.0f}" y="{y + 11}">'
                       f'x {value:.1f}</text>')
            y += BAR
        y += GAP - BAR
    legend = "".join(
        f'<rect x="{LEFT + 110 * i}" y="20" width="12" height="12" '
        f'fill="{COLOURS[i % 5]}"/>'
        f'<text x="{LEFT + 110 * i + 16}" y="31">{name}</text>'
        for i, name in enumerate(names))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{y}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/>{legend}'
            + "".join(out) + "</svg>\n")
