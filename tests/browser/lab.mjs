// Opens a notebook in JupyterLab, runs all its cells, checks what a person would look for and takes a picture.
// Called by `cargo xtask test browser` as: node lab.mjs URL TOKEN NOTEBOOK SCREENSHOT VIEW
// VIEW is a CSS selector; its last element is at the lower end of the picture.
import { chromium } from "playwright-core";

const [url, token, notebook, screenshot, view] = process.argv.slice(2);
const READY_MS = 90_000; // JupyterLab's own code is some megabytes, on a machine that is busy
const RUN_MS = 180_000; // a dozen cells that compile cold

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const page = await browser.newPage({ viewport: { width: 1200, height: 1500 } });
const errors = [];
page.on("pageerror", (error) => errors.push(error.message));

/** Waits for a condition in the page; a failure says what the page looked like. */
async function until(what, condition, timeout) {
  try {
    await page.waitForFunction(condition, undefined, { timeout, polling: 200 });
  } catch (error) {
    await page.screenshot({ path: screenshot });
    const state = await page.evaluate(() => ({
      prompts: [...document.querySelectorAll(".jp-InputArea-prompt")].map((p) => p.textContent),
      errors: [...document.querySelectorAll(".jp-OutputArea-output[data-mime-type*=stderr]")].map((e) => e.textContent.slice(0, 600)),
      status: document.querySelector(".jp-Notebook-ExecutionIndicator")?.getAttribute("data-status"),
    }));
    console.error(`${what}: not within ${timeout / 1000} s; ${JSON.stringify(state)}; page errors: ${errors.join(" | ")}`);
    await browser.close();
    process.exit(1);
  }
}

await page.goto(`${url}lab/tree/${notebook}?token=${token}&reset`, { timeout: READY_MS });
await until("the notebook is open and its kernel idle", () => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.sessionContext?.session?.kernel?.status === "idle";
}, READY_MS);

// One call that resolves when the last cell has run, as the menu's entry does it.
const started = Date.now();
await page.evaluate(() => { window.ochreRun = window.jupyterapp.commands.execute("notebook:run-all-cells"); });
await until("all cells have run", () => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = [...panel.content.model.cells].filter((c) => c.type === "code" && c.sharedModel.source.trim());
  const failed = cells.some((c) => c.outputs.toJSON().some((o) => o.output_type === "error"));
  return failed || (cells.every((c) => c.executionCount) && panel.sessionContext.session.kernel.status === "idle");
}, RUN_MS);
const seconds = ((Date.now() - started) / 1000).toFixed(1);

const seen = await page.evaluate(async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = [...panel.content.model.cells];
  const failed = cells.flatMap((c) => (c.type === "code" ? c.outputs.toJSON() : [])).filter((o) => o.output_type === "error");
  // Cells outside the window are drawn when they come into view.
  for (const widget of panel.content.widgets) {
    await panel.content.scrollToItem?.(panel.content.widgets.indexOf(widget));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  return { failed: failed.map((o) => `${o.ename}: ${o.evalue}`), cells: cells.filter((c) => c.type === "code").length };
});
if (seen.failed.length) {
  await page.screenshot({ path: screenshot });
  console.error(`a cell failed: ${seen.failed.join("; ")}`);
  await browser.close();
  process.exit(1);
}
await until("a frame is drawn as a table", () => document.querySelectorAll(".jp-OutputArea-output table tbody tr").length > 3, READY_MS);
await until("a chart is drawn by Vega", () => document.querySelector(".jp-OutputArea-output .vega-embed :is(canvas, svg)"), READY_MS);

// The picture: the element in view, with the cells above it.
await page.evaluate((view) => {
  window.jupyterapp.commands.execute("application:toggle-left-area");
  [...document.querySelectorAll(view)].at(-1).scrollIntoView({ block: "end" });
}, view);
await page.waitForTimeout(0);
await page.evaluate((view) => { window.ochreView = view; }, view);
await until("the element is in view", () => {
  const box = [...document.querySelectorAll(window.ochreView)].at(-1).getBoundingClientRect();
  return box.bottom <= window.innerHeight && box.top >= 0 && box.height > 0 && !document.querySelector(".jp-SideBar.jp-mod-left .lm-mod-current");
}, READY_MS);
await page.screenshot({ path: screenshot });
console.log(`${seen.cells} code cells ran in ${seconds} s`);
await browser.close();
