# SPDX-License-Identifier: Apache-2.0
"""Promise: users create, replace, rename, remove and import their secrets on the page, exactly; what goes wrong is said
beside the field; and no value comes back to the page."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest

from harness import poll
from web_page import await_text, names_of, set_secret

SEVERAL_LINES = "-----BEGIN KEY-----\r\n{}\r\n\tline\u00a0three \r\n-----END KEY-----\r\n"


def hash_in_job(cluster, name):
    """Returns the hash of the bytes that a job gets."""
    done = cluster.srun("-n1", f"--secret={name}:file", "sh", "-c", f"sha256sum <\"${name}_FILE\"")
    assert done.code == 0, done.err
    return done.out.split()[0]


def hash_of(value):
    return hashlib.sha256(value if isinstance(value, bytes) else value.encode()).hexdigest()


def open_new(page, name):
    page.get_by_role("button", name="New secret").click()
    page.get_by_label("Name", exact=True).fill(name)


def submit(page, words):
    page.get_by_role("dialog").get_by_role("button", name=words, exact=True).click()


def error_of(page, label):
    """Returns what is said beside a field."""
    field = page.get_by_role("dialog").get_by_label(label, exact=True)
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate("field => field === document.activeElement")
    return page.locator("#" + field.get_attribute("aria-describedby").split()[1]).inner_text()


def paste(page, label, text):
    """Pastes as the browser does, from its clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.get_by_label(label, exact=True).focus()
    page.keyboard.press("Control+V")


def test_new_secret_typed_reaches_job_exactly_and_page_shows_no_value(cluster, page, canary):
    value = canary() + " ä'\"\\"
    open_new(page, "HF_TOKEN")
    area = page.get_by_label("Value", exact=True)
    area.fill(value)
    assert area.evaluate("area => getComputedStyle(area).webkitTextSecurity") == "disc"
    page.get_by_label("Show what is typed").check()
    assert area.evaluate("area => getComputedStyle(area).webkitTextSecurity") == "none"
    submit(page, "Set")
    await_text(page, "HF_TOKEN is set.")
    row = page.get_by_role("row", name="HF_TOKEN")
    assert f"{len(value.encode())} bytes" in row.inner_text() and "never" in row.inner_text()
    assert hash_in_job(cluster, "HF_TOKEN") == hash_of(value)
    page.reload()
    await_text(page, "by job ")
    assert value not in page.content() and page.locator("dialog").count() == 0


@pytest.mark.parametrize("ending", ["", "\r\n"])
def test_paste_of_several_lines_reaches_job_exactly(cluster, page, canary, ending):
    value = SEVERAL_LINES.format(canary()).removesuffix("\r\n") + ending
    open_new(page, "KEY")
    paste(page, "Value", value)
    hint = page.get_by_text(f"{len(value.encode())} bytes, 4 lines, lines end with CR LF, which stays")
    hint.wait_for()
    submit(page, "Set")
    await_text(page, "KEY is set.")
    assert hash_in_job(cluster, "KEY") == hash_of(value)


def test_newline_at_end_of_paste_is_named_and_can_be_removed(cluster, page, canary):
    value = canary()
    open_new(page, "TOKEN")
    paste(page, "Value", value + "\n")
    await_text(page, "ends with a newline, which stays")
    page.get_by_role("button", name="Remove the last newline").click()
    submit(page, "Set")
    await_text(page, "TOKEN is set.")
    assert hash_in_job(cluster, "TOKEN") == hash_of(value)


def test_newline_is_removed_from_paste_with_cr_lf_and_nothing_else(cluster, page, canary):
    value = canary()
    open_new(page, "TOKEN")
    paste(page, "Value", f"{value}\r\nb\r\n")
    page.get_by_role("button", name="Remove the last newline").click()
    await_text(page, f"{len(value) + 3} bytes, 2 lines, lines end with CR LF, which stays.")
    submit(page, "Set")
    await_text(page, "TOKEN is set.")
    assert hash_in_job(cluster, "TOKEN") == hash_of(f"{value}\r\nb")


def test_file_reaches_job_byte_for_byte(cluster, page, folder, canary, canaries):
    content = canary().encode() + bytes(range(1, 256)) + b"\r\n\n"
    (folder / "key<img src=x>.bin").write_bytes(content)
    open_new(page, "KEY")
    page.get_by_label("Or a file, byte for byte").set_input_files(folder / "key<img src=x>.bin")
    await_text(page, f"The file key<img src=x>.bin: {len(content)} bytes.")
    submit(page, "Set")
    await_text(page, "KEY is set.")
    assert hash_in_job(cluster, "KEY") == hash_of(content)


@pytest.mark.parametrize("name, label, sentence", [
    ("", "Name", "Enter a name."),
    ("1A", "Name", "at most 64, and no digit or - at the beginning."),
    ("A" * 65, "Name", "at most 64"),
    ("LD_PRELOAD", "Name", "LD_PRELOAD"),
    ("TAKEN", "Name", "TAKEN is set already; replace it in the list, or choose another name."),
    ("TA-KEN", "Name", "choose another name"),
    ("NEW", "Value", "Enter a value, or choose a file."),
    ("NEW_", "Value", "The value has 65537 bytes; at most 65536 are accepted."),
    ("NEW", "Last day", "Choose a day."),
    ("NEW_FAR", "Last day", "Choose a day within 3650 days."),
])
def test_wrong_input_is_named_beside_its_field_and_changes_nothing(cluster, page, canary, name, label, sentence):
    for taken in ("TAKEN", "TA_KEN"):
        set_secret(cluster, "alice", taken, canary())
    before = cluster.secretctl("ls", "--json", user="alice").out
    open_new(page, name)
    if label == "Last day":
        page.get_by_label("Expires").select_option("date")
        page.get_by_label("Last day").fill("9999-12-31" if name == "NEW_FAR" else "")
    value = {"NEW": "" if label == "Value" else "x", "NEW_": "x" * 65537}.get(name, "x")
    page.get_by_label("Value", exact=True).fill(value)
    submit(page, "Set")
    field = page.get_by_role("dialog").get_by_label(label, exact=True)
    poll(lambda: field.get_attribute("aria-invalid") == "true", 5, "the error")
    assert sentence in error_of(page, label)
    assert cluster.secretctl("ls", "--json", user="alice").out == before
    submit(page, "Cancel")
    assert page.get_by_role("dialog").count() == 0


def test_secret_expires_at_end_of_chosen_day(cluster, page, canary):
    open_new(page, "TOKEN")
    page.get_by_label("Value", exact=True).fill(canary())
    page.get_by_label("Expires").select_option("date")
    day = (datetime.now(UTC) + timedelta(days=400)).date()
    page.get_by_label("Last day").fill(day.isoformat())
    submit(page, "Set")
    await_text(page, "TOKEN is set.")
    secret, = json.loads(cluster.secretctl("ls", "--json", user="alice").out)["secrets"]
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    assert abs((datetime.fromisoformat(secret["expires"]) - end).total_seconds()) < 60
    assert page.get_by_role("row", name="TOKEN").locator(f"time[datetime='{secret['expires']}']").count() == 1


def test_dates_of_secret_are_shown_as_secretctl_shows_them(page):
    def utc(**time):
        return (datetime.now(UTC) + timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")

    secrets = [{"name": name, "bytes": 1, "generation": 1, "set": "2026-01-31T12:34:56Z", **more} for name, more in [
        ("FAR", {"expires": utc(days=30)}), ("PAST", {"expires": utc(hours=-1)}), ("SOON", {"expires": utc(days=3)}),
        ("TODAY", {"expires": utc(hours=2), "damaged": True}),
        ("BY_JOB", {"used": {"job": 7, "at": "2026-02-01T00:00:00Z"}})]]
    page.route("**/api/v1/secrets", lambda route: route.fulfill(json={"owner": "alice", "secrets": secrets}))
    page.reload()
    rows = {name: page.get_by_role("row", name=name).inner_text() for name in ("FAR", "PAST", "SOON", "TODAY", "BY_JOB")}
    assert all("2026-01-31 12:34" in row for row in rows.values())
    assert "(in 2 days)" in rows["SOON"] and "(expired)" in rows["PAST"] and "(in less than a day)" in rows["TODAY"]
    assert "(in" not in rows["FAR"] and "never" in rows["BY_JOB"] and "2026-02-01 00:00 by job 7" in rows["BY_JOB"]
    assert "(damaged: set it again)" in rows["TODAY"]


def test_replace_rename_and_remove_change_the_secret(cluster, page, canary):
    set_secret(cluster, "alice", "OLD", canary())
    page.reload()
    value = canary()
    page.get_by_role("button", name="Replace OLD").click()
    page.get_by_label("Value", exact=True).fill(value)
    submit(page, "Replace")
    await_text(page, "OLD is replaced.")
    assert hash_in_job(cluster, "OLD") == hash_of(value)
    page.get_by_role("button", name="Rename OLD").click()
    page.get_by_label("New name").fill("NEW")
    submit(page, "Rename")
    await_text(page, "OLD is now NEW.")
    assert names_of(cluster, "alice") == ["NEW"]
    page.get_by_role("button", name="Remove NEW").click()
    submit(page, "Cancel")
    assert names_of(cluster, "alice") == ["NEW"], "the question was answered with no"
    page.get_by_role("button", name="Remove NEW").click()
    submit(page, "Remove")
    await_text(page, "NEW is removed.")
    assert names_of(cluster, "alice") == []
    await_text(page, "No secrets yet.")


def test_rename_to_taken_name_is_named_beside_its_field(cluster, page, canary):
    for name in ("A", "B"):
        set_secret(cluster, "alice", name, canary())
    page.reload()
    page.get_by_role("button", name="Rename A").click()
    page.get_by_label("New name").fill("B")
    submit(page, "Rename")
    await_text(page, "secret B of alice is set already")
    assert "set already" in error_of(page, "New name")


def test_import_shows_what_it_would_set_and_sets_what_is_chosen(cluster, page, folder, canary):
    set_secret(cluster, "alice", "HF_TOKEN", canary())
    page.reload()
    values = {name: canary() for name in ("HF_TOKEN", "DB", "LEFT_OUT")}
    text = "# tokens\n" + "".join(f"export {name}='{value}'\n" for name, value in values.items()) + "EMPTY=\n"
    (folder / ".env<b>").write_text(text)
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("File").set_input_files(folder / ".env<b>")
    submit(page, "Preview")
    await_text(page, "Import from .env<b>")
    dialog = page.get_by_role("dialog")
    assert [line.split() for line in dialog.get_by_role("row").all_inner_texts()][1:] == [
        ["HF_TOKEN", str(len(values["HF_TOKEN"])), "bytes", "replaced", "line", "2", "of", ".env<b>"],
        ["DB", str(len(values["DB"])), "bytes", "set", "line", "3", "of", ".env<b>"],
        ["LEFT_OUT", str(len(values["LEFT_OUT"])), "bytes", "set", "line", "4", "of", ".env<b>"]]
    assert ".env<b> has no value for EMPTY" in dialog.inner_text()
    assert not any(value in page.content() for value in values.values())
    assert names_of(cluster, "alice") == ["HF_TOKEN"], "nothing is set by a preview"
    dialog.get_by_label("Import LEFT_OUT").uncheck()
    submit(page, "Import")
    await_text(page, "2 secrets are set.")
    assert names_of(cluster, "alice") == ["DB", "HF_TOKEN"]
    for name in ("DB", "HF_TOKEN"):
        assert hash_in_job(cluster, name) == hash_of(values[name])


def test_import_of_malformed_text_names_its_line_and_no_option(cluster, page, canary):
    value = canary()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Text", exact=True).fill(f"A={value}\nexport B=$(cat {value})\n")
    submit(page, "Preview")
    await_text(page, "line 2 of the text")
    sentence = error_of(page, "Text")
    assert "--" not in sentence and value not in sentence
    assert names_of(cluster, "alice") == []


def test_import_that_is_refused_midway_says_what_is_set(cluster, page, canary):
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Text", exact=True).fill(f"A={canary()}\nB-1={canary()}\nB_1={canary()}\n")
    submit(page, "Preview")
    await_text(page, "Import from the text")
    submit(page, "Import")
    await_text(page, "2 of 3 are set.")
    assert names_of(cluster, "alice") == ["A", "B-1"]
    page.get_by_label("Import B_1", exact=True).uncheck()
    submit(page, "Import")  # what is set is set again
    await_text(page, "2 secrets are set.")


def test_import_that_is_cancelled_stops_and_says_what_is_set(cluster, page, canary):
    held = []
    names = [f"N{number}" for number in range(60)]
    page.route("**/api/import/N2?*", lambda route: held.append(route))
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_label("Text", exact=True).fill("".join(f"{name}={canary()}\n" for name in names))
    submit(page, "Preview")
    await_text(page, "Import from the text")
    with page.expect_request("**/api/import/N2?*"):
        submit(page, "Import")
    page.keyboard.press("Escape")
    held[0].continue_()
    await_text(page, "The import was cancelled: 3 of 60 are set.")
    assert names_of(cluster, "alice") == ["N0", "N1", "N2"]


def test_answer_is_waited_for_though_the_form_is_left(cluster, page, canary):
    page.get_by_role("link", name="Workspaces").click()
    page.get_by_role("link", name="Your Secrets").click()
    open_new(page, "TOKEN")
    page.get_by_label("Value", exact=True).fill(canary())
    with cluster.agent_frozen():
        with page.expect_request("**/api/v1/secrets/TOKEN"):
            submit(page, "Set")
        page.keyboard.press("Escape")
        assert page.get_by_role("button", name="Cancel").is_disabled()
        page.go_back()
        assert page.get_by_role("dialog").count() == 0
    await_text(page, "TOKEN is set.")
    assert names_of(cluster, "alice") == ["TOKEN"]


def test_refusal_is_told_though_the_form_is_left(page, canary):
    page.get_by_role("link", name="Workspaces").click()
    page.get_by_role("link", name="Your Secrets").click()
    held = []
    page.route("**/api/v1/secrets/TOKEN", lambda route: held.append(route))
    open_new(page, "TOKEN")
    page.get_by_label("Value", exact=True).fill(canary())
    with page.expect_request("**/api/v1/secrets/TOKEN"):
        submit(page, "Set")
    page.go_back()
    held[0].fulfill(status=503, json={"status": 503, "detail": "the store is closed"})
    await_text(page, "Set failed: the store is closed")
    assert page.get_by_role("heading", level=1).inner_text() == "Workspaces"


def test_empty_file_is_named_beside_its_field(cluster, page, folder):
    (folder / "empty").write_text("")
    open_new(page, "TOKEN")
    page.get_by_label("Or a file, byte for byte").set_input_files(folder / "empty")
    submit(page, "Set")
    await_text(page, "The file is empty.")
    assert error_of(page, "Or a file, byte for byte") == "The file is empty."
    submit(page, "Cancel")


def test_page_is_used_with_the_keyboard_alone(cluster, page, canary):
    page.locator("body").press("Tab")
    page.keyboard.press("Enter")  # skips to the content
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("TOKEN")
    page.keyboard.press("Tab")
    page.keyboard.type(canary())
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Set":
            break
    page.keyboard.press("Enter")
    await_text(page, "TOKEN is set.")
    for key in ("Tab", "Tab", "Tab", "Tab", "Tab", "Enter"):  # New, Import, Replace, Rename, Remove
        page.keyboard.press(key)
    await_text(page, "Remove TOKEN?")
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    button = page.get_by_role("button", name="Remove TOKEN")
    poll(lambda: button.evaluate("each => each === document.activeElement"), 5, "the focus where it was")
    assert names_of(cluster, "alice") == ["TOKEN"]


# ---- several tabs, back, reload ------------------------------------------------------------------------


def test_tab_that_shows_old_secret_overwrites_no_newer_one(cluster, web, browser, page, canary):
    set_secret(cluster, "alice", "TOKEN", canary())
    page.reload()
    page.get_by_role("button", name="Replace TOKEN").click()
    page.get_by_label("Value", exact=True).fill(canary())
    newer = canary()
    other = browser.new_tab()
    other.goto(f"{web.origin}/")
    other.get_by_role("button", name="Replace TOKEN").click()
    other.get_by_label("Value", exact=True).fill(newer)
    submit(other, "Replace")
    await_text(other, "TOKEN is replaced.")
    submit(page, "Replace")
    alert = page.get_by_role("dialog").get_by_role("alert")
    poll(lambda: "generation" in alert.inner_text(), 5, "the reason")
    assert hash_in_job(cluster, "TOKEN") == hash_of(newer)
    submit(page, "Cancel")
    page.get_by_role("button", name="Replace TOKEN").click()
    page.get_by_label("Value", exact=True).fill(canary())
    submit(page, "Replace")
    await_text(page, "TOKEN is replaced.")
    other.close()


def test_back_and_reload_keep_screen_and_no_value(cluster, page, canary):
    value = canary()
    page.get_by_role("link", name="Runs").click()
    await_text(page, "No runs now.")
    page.get_by_role("link", name="Your Secrets").click()
    open_new(page, "TOKEN")
    page.get_by_label("Value", exact=True).fill(value)
    page.go_back()
    await_text(page, "No runs now.")
    assert page.get_by_role("dialog").count() == 0
    page.reload()
    await_text(page, "No runs now.")
    page.go_forward()
    await_text(page, "No secrets yet.")
    page.get_by_role("button", name="New secret").click()
    assert page.get_by_label("Value", exact=True).input_value() == ""
    submit(page, "Cancel")


def test_agent_that_is_away_is_named_and_asked_again(cluster, page, canary):
    cluster.agent_stop()
    try:
        page.reload()
        await_text(page, "cannot connect to the agent at")
    finally:
        cluster.agent_start()
    page.get_by_role("button", name="Try again").click()
    await_text(page, "No secrets yet.")


def test_web_that_has_ended_is_named(cluster, web, page):
    web.interrupt()
    web.wait()
    page.get_by_role("link", name="Workspaces").click()
    await_text(page, "secretctl web does not answer: it has ended")
