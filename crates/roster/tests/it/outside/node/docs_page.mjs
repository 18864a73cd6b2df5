// Opens the documentation page in Chromium and prints, as JSON, what is to be seen there and what went wrong.
//   node docs_page.mjs URL HOST KEY [PICTURE]

import { chromium } from "playwright-core";

const [url, host, key, picture] = process.argv.slice(2);
const limit = 30_000; // milliseconds, for anything that is waited for

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  timeout: limit,
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--host-resolver-rules=MAP ${host} 127.0.0.1`,
  ],
});
const seen = { operations: [], errors: [], violations: [], strangers: [], failed: [], tried: null };
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1600 } });
  page.setDefaultTimeout(limit);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (!["data:", "blob:"].includes(to.protocol) && to.hostname !== host) seen.strangers.push(request.url());
  });
  page.on("requestfailed", (request) => seen.failed.push(request.url()));
  page.on("response", (response) => {
    if (response.status() >= 400) seen.failed.push(`${response.status()} ${response.url()}`);
  });
  await page.exposeFunction("violated", (what) => seen.violations.push(what));
  await page.addInitScript(() =>
    addEventListener("securitypolicyviolation", (event) =>
      window.violated(`${event.violatedDirective}: ${event.blockedURI}`),
    ),
  );

  await page.goto(url);
  await page.locator(".opblock").first().waitFor();
  seen.operations = (
    await page.locator(".opblock").evaluateAll((blocks) =>
      blocks.map((block) => {
        const text = (part) => block.querySelector(part).textContent.replaceAll("\u200b", "");
        return `${text(".opblock-summary-method").toLowerCase()} ${text(".opblock-summary-path")}`;
      }),
    )
  ).sort();

  // Who am I? As a reader would ask: authorize, open the operation, execute.
  await page.locator(".scheme-container .authorize").click();
  await page.locator(".auth-container input").fill(key);
  await page.locator(".auth-container .authorize").click();
  await page.locator(".auth-container .btn-done").click();
  const me = page.locator(".opblock", { hasText: "/v1/me" });
  await me.locator(".opblock-summary").click();
  await me.locator(".execute").click();
  const answer = me.locator(".live-responses-table .response").first();
  const body = JSON.parse(await answer.locator("pre.microlight").first().innerText());
  seen.tried = {
    status: (await answer.locator(".response-col_status").innerText()).trim(),
    organization: body.organization.name,
  };
  // And the largest operation unfolds, examples and schemas with it.
  await page.locator("#operations-users-createUser .opblock-summary").click();
  await page.locator("#operations-users-createUser .response-col_status", { hasText: "503" }).first().waitFor();
  if (picture) await page.screenshot({ path: picture, fullPage: true });
} catch (error) {
  seen.errors.push(`the script: ${error}`);
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
