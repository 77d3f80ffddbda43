# SPDX-License-Identifier: Apache-2.0
"""Promise: each screen is usable in light and dark, on a phone's width and at 400 % zoom, and axe-core finds nothing.
With SCREENSHOTS=FOLDER the pictures of docs/ are made there."""

import os
from pathlib import Path

import pytest

from harness import poll
from web_page import await_text, go, set_secret

DESKTOP = {"width": 1100, "height": 700}
PHONE = {"width": 360, "height": 740}
# 1280 by 1024 at 400 %, as WCAG 1.4.10 has it.
ZOOMED = {"width": 320, "height": 256}
SIZES = {"desktop": DESKTOP, "phone": PHONE, "zoomed": ZOOMED}


@pytest.fixture
def filled(cluster, canary):
    """Fills the screens: secrets of each kind, a run that a job holds, and events."""
    set_secret(cluster, "alice", "HF_TOKEN", canary())
    set_secret(cluster, "alice", "DB_PASSWORD", canary(), "--expires=3d")
    set_secret(cluster, "alice", "GCP_KEY", canary() * 40, "--expires=90d")
    set_secret(cluster, "bob", "LICENSE", canary(), "--workspace=lab")
    set_secret(cluster, "bob", "REGISTRY_TOKEN", canary(), "--workspace=lab")
    assert cluster.srun("-n1", "--secret=HF_TOKEN,LICENSE", "true").code == 0
    cluster.push("rnaseq-4711", user={"HF_TOKEN": canary(), "NGC_KEY": canary()}, workspace={"DB": canary()})
    job = cluster.sbatch("#!/bin/sh\n#SBATCH --secrets-run=rnaseq-4711\n#SBATCH --secret=HF_TOKEN\nsleep 600\n")
    try:
        poll(lambda: cluster.run("rnaseq-4711")["holds"], 15, "the job's hold")
        yield
    finally:
        cluster.as_user("alice", ["scancel", job])


def open_import(page):
    go(page, "#/secrets")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Text").fill("HF_TOKEN=one\nNEW_TOKEN=two\nEMPTY=\n")
    page.get_by_role("button", name="Preview").click()
    await_text(page, "Import from the text")


def open_form(page):
    go(page, "#/secrets")
    page.get_by_role("button", name="New secret").click()
    page.get_by_label("Name", exact=True).fill("1_TOKEN")
    page.get_by_role("button", name="Set", exact=True).click()
    await_text(page, "no digit or - at the beginning")


def open_question(page):
    go(page, "#/secrets")
    page.get_by_role("button", name="Remove HF_TOKEN").click()
    await_text(page, "Remove HF_TOKEN?")


def open_other(button, text, address="#/secrets"):
    def open_it(page):
        go(page, address)
        page.get_by_role("button", name=button, exact=True).click()
        await_text(page, text)
    return open_it


def visit(address, text):
    def open_it(page):
        go(page, address)
        await_text(page, text)
    return open_it


SCREENS = {
    "secrets": visit("#/secrets", "GCP_KEY"),
    "new-secret": open_form,
    "remove": open_question,
    "import": open_import,
    "workspaces": visit("#/workspaces", "lab"),
    "workspace": visit("#/workspaces/lab", "REGISTRY_TOKEN"),
    "runs": visit("#/runs", "rnaseq-4711"),
    "run": visit("#/runs/rnaseq-4711", "NGC_KEY"),
    "activity": visit("#/activity", "was pushed"),
    "replace": open_other("Replace HF_TOKEN", "The old one is lost"),
    "rename": open_other("Rename HF_TOKEN", "no longer find it"),
    "import-source": open_other("Import", "and never run"),
    "complete": open_other("Complete", "This cannot be undone", "#/runs/rnaseq-4711"),
}


def overflows(page):
    return page.evaluate("[document.documentElement, ...document.querySelectorAll('dialog')]"
                         ".some(each => each.scrollWidth > each.clientWidth)")


def violations(page):
    from axe_playwright_python.sync_playwright import Axe
    found = Axe().run(page).response["violations"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]


def test_screens_have_no_accessibility_violations_in_any_size_and_colour(cluster, web, page, filled, tmp_path):
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    address = page.url
    wrong = []
    for size, viewport in SIZES.items():
        page.set_viewport_size(viewport)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            for name, show in SCREENS.items():
                page.goto("about:blank")
                page.goto(address)
                show(page)
                if overflows(page):
                    wrong.append((name, size, "is wider than the window"))
                if size != "zoomed" or colours == "light":
                    wrong += [(name, size, colours, *each) for each in violations(page)]
                is_pictured = name in ("secrets", "new-secret", "remove", "import", "workspaces", "workspace", "runs", "run",
                                       "activity")
                if is_pictured and (size == "desktop" or (size == "phone" and colours == "light")):
                    page.screenshot(path=folder / f"{name}-{size}-{colours}.png")
    page.set_viewport_size(PHONE)
    page.context.clear_cookies()
    assert page.goto(address).status == 403
    wrong += [("closed", *each) for each in violations(page)]
    assert not wrong, wrong
