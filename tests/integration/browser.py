"""
Look at the dashboard as people do, with Chromium; run as a program, so that the reactor of the tests goes on serving.

It reads what to do from the file that it is given, and writes what it has seen as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SECONDS = 60
# Everything in a page that could run, or that was made of what was to be text.
ACTIVE = """() => {
  const found = [];
  for (const each of document.querySelectorAll("*")) {
    const name = each.localName;
    if (["iframe", "object", "embed", "base", "math", "style", "marquee", "frame"].includes(name)) found.push(name);
    if (name === "script" && !new URL(each.src, location.href).pathname.startsWith("/static/")) found.push(name);
    if (name === "img" && !each.src.includes("/static/")) found.push(name);
    if (name === "svg" && !each.closest(".graph")) found.push(name);
    for (const attribute of each.attributes) {
      if (attribute.name.startsWith("on") || attribute.name === "style") found.push(attribute.name);
      if (["href", "src", "action", "formaction"].includes(attribute.name)) {
        if (new URL(attribute.value, location.href).origin !== location.origin) found.push(attribute.value);
      }
    }
  }
  if (window.struck) found.push("struck");
  return found;
}"""


class Look:
    """A window, and what happened in it that must not."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base = base
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(SECONDS * 1000)
        self.page: Page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.wrong.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.base + "/"):
            self.wrong.append(f"request: {request.url}")

    def login(self, token: str) -> None:
        self.page.goto(self.base + "/")
        self.page.fill("#token", token)
        self.page.press("#token", "Enter")
        self.page.wait_for_selector("#tiles")

    def go(self, path: str) -> str:
        """Go to *path*, and return the text of the page."""
        self.page.goto(self.base + path, wait_until="load")
        self.wrong += [f"{path}: {each}" for each in self.page.evaluate(ACTIVE)]
        return self.page.evaluate("document.body.textContent")  # type: ignore[no-any-return]


def all_pages(look: Look, path: str) -> list[str]:
    """Return the texts of the page at *path*, and of those that follow."""
    texts = [look.go(path)]
    while (following := look.page.query_selector('a[rel="next"]')) is not None:
        texts.append(look.go(following.get_attribute("href") or ""))
    return texts


def strings(browser: Browser, given: dict[str, Any]) -> dict[str, Any]:
    """Look at all pages with strings that want to be run; return what ran, and those that were not seen as text."""
    look = Look(browser, given["base"])
    look.login(given["token"])
    seen = ""
    for path in given["paths"]:
        seen += "\n".join(all_pages(look, path))
    look.page.goto(given["base"] + "/submit")
    look.page.fill("#urls", "\n".join(given["strings"]))
    look.page.click("main .primary")
    look.page.wait_for_selector('[role="alert"]')
    look.wrong += look.page.evaluate(ACTIVE)
    # What comes over the stream of events.
    look.go("/jobs")
    look.page.wait_for_function("document.querySelector('[data-done]').textContent !== '0'")
    look.page.wait_for_timeout(1000)
    look.wrong += look.page.evaluate(ACTIVE)
    plain = re.sub(r"\s+", " ", seen)
    return {
        "wrong": look.wrong,
        "unseen": [each for each in given["strings"] if plain.count(" ".join(each.split())) < 5],
    }


def use(browser: Browser, given: dict[str, Any]) -> dict[str, Any]:
    """Use the dashboard by keys and forms, on a desk, on a phone, and without scripts."""
    found: dict[str, Any] = {}
    look = Look(browser, given["base"], viewport={"width": 1280, "height": 800})
    page = look.page
    look.login(given["token"])
    page.keyboard.press("Tab")
    found["first"] = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    found["skipped"] = page.evaluate("location.hash")
    # Changes as they happen, without another page being loaded.
    page.evaluate("window.same = true")
    page.wait_for_function("Number(document.querySelector('#active [data-done]').textContent) > 3")
    page.wait_for_function("document.querySelector('.graph .line').getAttribute('d').split('L').length > 2")
    page.wait_for_function("document.querySelector('[data-rate]').textContent !== '0 B/s'")
    found["same"] = page.evaluate("window.same")
    # A job of somebody else's is listed without being asked for.
    page.wait_for_selector('#latest [data-job="late"]')
    # The form, by keys alone.
    page.keyboard.press("Tab")
    page.focus('a[href="/submit"]')
    page.keyboard.press("Enter")
    page.wait_for_selector("#urls")
    found["focus"] = page.evaluate("document.activeElement.id")
    page.keyboard.type("http://h.test/one\nhttp://h.test/two sha256:" + "ab" * 32)
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#job")
    found["notice"] = page.inner_text(".notice.good")
    page.focus("#job .actions button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#job .state.warn")
    found["paused"] = page.inner_text("#job .state")
    found["wrong"] = look.wrong

    phone = Look(browser, given["base"], viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    phone.login(given["token"])
    found["wide"] = []
    for path in given["paths"]:
        phone.go(path)
        if phone.page.evaluate("document.documentElement.scrollWidth") > 360:
            found["wide"].append(path)
    found["wrong"] += phone.wrong

    plain = Look(browser, given["base"], java_script_enabled=False)
    plain.login(given["token"])
    plain.page.goto(given["base"] + "/jobs?state=running")
    plain.page.click("form[action$='/cancel'] button")
    plain.page.wait_for_selector(".notice.good")
    found["plain"] = plain.page.inner_text(".notice.good")

    colours = {}
    for scheme in ("light", "dark"):
        one = Look(browser, given["base"], color_scheme=scheme)
        one.page.goto(given["base"] + "/login")
        colours[scheme] = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    found["colours"] = colours
    return found


def main() -> None:
    """Do it all with one browser."""
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given["chromium"], args=ARGUMENTS)
        found = {task: globals()[task](browser, given[task]) for task in ("strings", "use")}
        browser.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
