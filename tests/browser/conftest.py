"""A real browser: Chromium, driven by selenium."""

import json
import shutil
from contextlib import contextmanager

import pytest

from tests.helpers import ROOT

AXE = ROOT / ".venv" / "node_modules" / "axe-core" / "axe.min.js"
OPTIONS = (
    "--headless",
    "--no-sandbox",  # root has no other way, and the page is our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1200,900",
)


class Browser:
    """A browser with one page open at a time."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, width=1200, scheme="light", media="", script=True):
        """Load a file in a window of this width, as a reader with these preferences sees it."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._set("Emulation.setEmulatedMedia", media=media, features=features)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self._set("Emulation.setDeviceMetricsOverride", **size)
        self._set("Emulation.setScriptExecutionDisabled", value=not script)
        self.driver.get(path.as_uri())
        self._set("Emulation.setScriptExecutionDisabled", value=False)

    def evaluate(self, expression, *arguments):
        """The value of an expression in the page."""
        return self.driver.execute_script(f"return {expression}", *arguments)

    def find(self, selector):
        """The elements that a CSS selector names."""
        return self.driver.find_elements("css selector", selector)

    def texts(self, selector):
        """Their text."""
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.evaluate(f"{elements}.map((each) => each.textContent)")

    def complaints(self):
        """What the console got since it was last asked."""
        return self.driver.get_log("browser")

    def requests(self):
        """The addresses that were asked for since this was last asked."""
        messages = [json.loads(each["message"])["message"] for each in self._performance()]
        sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in sent]

    def faults(self):
        """The serious and critical faults that axe-core finds, by rule."""
        self.driver.execute_script(AXE.read_text())
        run = "axe.run().then((found) => arguments[0](found.violations))"
        return {
            each["id"]: [node["html"][:200] for node in each["nodes"]]
            for each in self.driver.execute_async_script(run)
            if each["impact"] in ("serious", "critical")
        }

    def _performance(self):
        return self.driver.get_log("performance")

    def _set(self, command, **values):
        self.driver.execute_cdp_cmd(command, values)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser that asks nobody for anything on its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if missing := [name for name, found in programs.items() if found is None]:
        pytest.skip(f"{' and '.join(missing)} not installed: run make test-browser")
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run make test-browser")
    with _driven(webdriver, programs, tmp_path_factory.mktemp("profile")) as driver:
        yield Browser(driver)


@contextmanager
def _driven(webdriver, programs, profile):
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for option in (*OPTIONS, f"--user-data-dir={profile}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(programs["chromedriver"])
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_script_timeout(300)
        yield driver
    finally:
        driver.quit()
