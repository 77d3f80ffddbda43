# SPDX-License-Identifier: Apache-2.0
"""Promise: members see names of a workspace's secrets and admins manage them; a run shows what it has and who holds it,
and is completed; events show up by themselves."""

import pytest

from harness import poll
from web_page import Browser, WebProcess, await_text, go, names_of, set_secret


@pytest.fixture
def end_of_test():
    """Lists what is to be done at the end of the test, also if that fails."""
    actions = []
    yield actions
    for action in actions:
        action()


@pytest.fixture
def page_of_bob(cluster):
    with WebProcess(cluster, "bob") as web, Browser("bob") as browser:
        page = browser.new_tab()
        page.goto(web.url)
        page.wait_for_url(f"{web.origin}/")
        yield page
        assert not page.reported, page.reported


def test_member_sees_names_of_workspace_and_nothing_to_change_them(cluster, page, canary):
    set_secret(cluster, "bob", "LICENSE", canary(), "--workspace=lab")
    go(page, "#/workspaces")
    row = page.get_by_role("row", name="lab")
    row.wait_for()
    assert row.inner_text().split() == ["lab", "member", "1"]
    row.get_by_role("link").click()
    await_text(page, "You are a member of this workspace")
    table = page.get_by_role("table")
    assert table.inner_text().split() == ["Name", "LICENSE"]
    assert page.get_by_role("main").get_by_role("button").count() == 0


def test_admin_sets_and_removes_secret_of_workspace(cluster, page_of_bob, canary):
    page = page_of_bob
    go(page, "#/workspaces/lab")
    await_text(page, "You are an admin of this workspace.")
    page.get_by_role("button", name="New secret").click()
    page.get_by_label("Name", exact=True).fill("LICENSE")
    page.get_by_label("Value", exact=True).fill(canary())
    page.get_by_role("button", name="Set", exact=True).click()
    await_text(page, "LICENSE is set.")
    assert names_of(cluster, "bob", "--workspace=lab") == ["LICENSE"] and names_of(cluster, "bob") == []
    assert cluster.srun("-n1", "--secret=LICENSE", "true").code == 0
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Text", exact=True).fill(f"SERVER={canary()}\n")
    page.get_by_role("button", name="Preview").click()
    await_text(page, "Import from the text")
    page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()
    await_text(page, "1 secret is set.")
    page.get_by_role("button", name="Remove LICENSE").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
    await_text(page, "LICENSE is removed.")
    assert names_of(cluster, "bob", "--workspace=lab") == ["SERVER"]


@pytest.mark.parametrize("name", ["other", "<img src=x onerror=alert(1)>"])
def test_unknown_workspace_is_named_as_text(page, name):
    go(page, "#/workspaces/" + name.replace(" ", "%20"))
    page.locator(".problem").wait_for()
    assert page.get_by_role("heading", level=1).inner_text() == f"Workspace {name}"
    assert page.locator("img[src=x]").count() == 0


def test_run_shows_names_scopes_and_jobs_and_is_completed(cluster, page, canary, end_of_test):
    cluster.push("nf-1", user={"TOKEN": canary()}, workspace={"DB": canary()})
    job = cluster.sbatch("#!/bin/sh\n#SBATCH --secrets-run=nf-1\n#SBATCH --secret=TOKEN\nsleep 60\n")
    poll(lambda: cluster.run("nf-1")["holds"], 15, "the job's hold")
    end_of_test.append(lambda: cluster.as_user("alice", ["scancel", job]))
    go(page, "#/runs")
    await_text(page, "nf-1")
    assert page.get_by_role("row", name="nf-1").inner_text().split()[:4] == ["nf-1", "alice", "2", "1"]
    page.get_by_role("link", name="nf-1").click()
    for name in ("Secrets of the run", "Jobs that hold the run"):
        page.get_by_role("table", name=name).wait_for()
    rows = [row.split() for row in page.get_by_role("row").all_inner_texts()]
    assert ["DB", "workspace"] in [row[:2] for row in rows] and ["TOKEN", "user"] in [row[:2] for row in rows]
    assert [job, "this", "host"] in [row[:3] for row in rows]
    page.get_by_role("button", name="Complete").click()
    await_text(page, "Its 2 secrets are wiped")
    page.get_by_role("dialog").get_by_role("button", name="Complete", exact=True).click()
    await_text(page, "Run nf-1 is complete.")
    assert cluster.runs() == []


def test_run_of_another_user_is_not_shown(cluster, page, canary):
    cluster.push("nf-2", owner="bob", user={"TOKEN": canary()})
    go(page, "#/runs")
    await_text(page, "No runs now.")
    go(page, "#/runs/nf-2")
    page.get_by_role("main").get_by_role("alert").get_by_text("nf-2").wait_for()
    assert "TOKEN" not in page.content()


def test_activity_shows_events_of_user_by_themselves(cluster, page, canary):
    go(page, "#/activity")
    page.get_by_role("button", name="Pause").wait_for()
    set_secret(cluster, "alice", "TOKEN", canary())
    await_text(page, "secret TOKEN of alice was set by alice")
    set_secret(cluster, "bob", "BOBS", canary())
    assert cluster.srun("-n1", "--secret=TOKEN", "true").code == 0
    await_text(page, "was granted TOKEN")
    assert "BOBS" not in page.content()
    cluster.agent_restart()  # which counts its events from the beginning
    set_secret(cluster, "alice", "AFTER", canary())
    await_text(page, "secret AFTER of alice was set by alice")
    page.get_by_role("button", name="Pause").click()
    set_secret(cluster, "alice", "LATER", canary())
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5000)  # twice the pause between two questions
    assert not asked
    page.get_by_role("button", name="Resume").click()
    await_text(page, "secret LATER of alice was set by alice")


MARKUP = "<img src=x onerror=alert(1)>"


def test_markup_in_event_is_shown_as_text(page):
    event = {"time": "2026-01-01T00:00:00Z", "level": "info", "message": f"job {MARKUP} ended"}
    page.route("**/api/v1/events?*", lambda route: route.fulfill(json={"next": 1, "events": [event]}))
    go(page, "#/activity")
    await_text(page, f"job {MARKUP} ended")
    assert page.locator("img[src=x]").count() == 0


def test_run_of_hub_shows_nodes_that_hold_it(page):
    node = {"node": f"n1{MARKUP}", "jobs": [7, 8], "seen": "2026-01-01T10:00:00Z", "lost": True}
    run = {"run": "r", "owner": MARKUP, "generation": 1, "created": "2026-01-01T00:00:00Z",
           "expires": "2026-01-02T00:00:00Z", "secrets": [], "holds": [], "nodes": [node]}
    page.route("**/api/v1/runs/r", lambda route: route.fulfill(json=run))
    go(page, "#/runs/r")
    table = page.get_by_role("table", name="Jobs that hold the run")
    table.wait_for()
    assert [row.split("\t") for row in table.inner_text().splitlines()] == [
        ["Job", "Node", "Since"], *([job, f"n1{MARKUP}", "last seen 2026-01-01 10:00 (lost)"] for job in ("7", "8"))]
    assert page.locator("img[src=x]").count() == 0
