// Looks at the admin page through a real browser: people can log in, see queries arrive, read every
// word, and log out, and the browser has nothing to complain about.
//
//   cargo build -p admin-ui --example preview && npm ci && npm test
//
// CHROMIUM names the browser (/usr/bin/chromium), PREVIEW_BIN the server (target/debug/examples/
// preview), SHOTS a directory for pictures (none are taken without it).

import { AxeBuilder } from "@axe-core/playwright";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const {
  CHROMIUM = "/usr/bin/chromium",
  PREVIEW_BIN = join(root, "target/debug/examples/preview"),
  SHOTS,
} = process.env;
const SIZES = { phone: { width: 360, height: 740 }, desk: { width: 1280, height: 900 } };

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });
});
after(() => browser?.close());

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    test(`the page is whole and readable (${size}, ${colorScheme})`, async (t) => {
      const page = await open(t, { scene: "busy", viewport, colorScheme });
      await inspect(page, `${size}-${colorScheme}-login`);
      await logIn(page);
      await page.locator(".spark .line:not([d=''])").waitFor();
      await inspect(page, `${size}-${colorScheme}-app`);
    });
  }
}

for (const scene of ["empty", "trouble"]) {
  test(`a server in the state "${scene}" is shown as it is`, async (t) => {
    const page = await open(t, { scene, viewport: SIZES.desk });
    await logIn(page);
    await inspect(page, `desk-light-${scene}`);
    if (scene === "trouble") {
      await page.getByText("Blocking is off").waitFor();
      await page.getByText("Stale").waitFor();
    } else {
      await page.getByText("No query has come yet").waitFor();
    }
  });
}

test("queries arrive, stop when paused, and come back", async (t) => {
  const page = await open(t, { scene: "busy", viewport: SIZES.desk, path: "/dns/" });
  await logIn(page);
  await page.getByText("Live", { exact: true }).waitFor();
  const first = () => page.locator("table.queries tbody tr").first().elementHandle();
  const before = await first();
  await page.waitForFunction((row) => row.previousElementSibling !== null, before);

  await page.getByRole("button", { name: "Pause" }).click();
  const held = await first();
  await page.getByRole("button", { name: /^Show \d+ new quer/ }).waitFor();
  assert.equal(await held.evaluate((row) => row.previousElementSibling), null);
  await page.getByRole("button", { name: /^Show/ }).click();
  await page.waitForFunction((row) => row.previousElementSibling !== null, held);

  await page.getByLabel("Show only one outcome").selectOption("blocked");
  await page.waitForFunction(() => !document.querySelector("tbody tr.cached"));
  assert.ok((await page.locator("table.queries tbody tr.blocked").count()) > 0);
});

test("a wrong password is said so and the right one lets in and out", async (t) => {
  const page = await open(t, { scene: "busy", viewport: SIZES.desk });
  page.allow(/401/);
  await page.getByLabel("Password").fill("guess");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("That is not the password.").waitFor();
  await inspect(page, "desk-light-wrong");

  await logIn(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
});

test("the log-in works without JavaScript", async (t) => {
  const page = await open(t, { scene: "busy", viewport: SIZES.desk, javaScriptEnabled: false });
  await page.getByLabel("Password").fill("preview");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator("noscript").waitFor({ state: "attached" });
  assert.match(await page.content(), /This page needs JavaScript/);
});

test("a page whose server has gone says so", async (t) => {
  const page = await open(t, { scene: "busy", viewport: SIZES.desk });
  page.allow(/ERR_/);
  await logIn(page);
  await page.getByText("Live", { exact: true }).waitFor();
  page.server.kill();
  await page.getByText("No contact with the server").waitFor();
  await page.getByText("Not connected").waitFor();
  await inspect(page, "desk-light-lost");
});

/** Opens the log-in page of a fresh preview server in a fresh browser profile. What the browser
 * complains about, blocked by the content security policy above all, fails the test at its end. */
async function open(t, { scene, path = "/", ...options }) {
  const env = { ...process.env, PREVIEW: scene };
  const server = spawn(PREVIEW_BIN, ["0", path], { env, stdio: ["ignore", "pipe", "inherit"] });
  const complaints = [];
  const allowed = [];
  const context = await browser.newContext(options);
  t.after(async () => {
    await context.close();
    server.kill();
    const serious = complaints.filter((text) => !allowed.some((known) => known.test(text)));
    assert.deepEqual(serious, []);
  });
  const [line] = await once(createInterface(server.stdout), "line");
  const url = line.split(" ")[0];

  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) complaints.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  return Object.assign(page, { server, allow: (pattern) => allowed.push(pattern) });
}

async function logIn(page) {
  await page.getByLabel("Password").fill("preview");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Live queries" }).waitFor();
  await page.locator(".card[aria-busy=false]").first().waitFor();
}

/** No serious accessibility finding, nothing to scroll sideways for; takes a picture if wanted. */
async function inspect(page, name) {
  await page.waitForTimeout(500);
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.length} x ${nodes[0].html}`);
  assert.deepEqual(told, [], name);
  const excess = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(excess, 0, `${name} scrolls sideways`);
}
