// Changes as they happen. Everything here can be done without: the pages are whole when they come.
"use strict";
(() => {
  const every = (selector, from = document) => Array.from(from.querySelectorAll(selector));
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

  function size(value) {
    let unit = 0;
    for (; value >= 1023.95 && unit < units.length - 1; unit += 1) value /= 1024;
    return unit ? `${value.toFixed(1)} ${units[unit]}` : `${Math.round(value)} B`;
  }
  const count = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const say = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

  // What forms ask before they are sent.
  document.addEventListener("submit", (event) => {
    const words = event.submitter && event.submitter.dataset.confirm;
    if (words && !window.confirm(words)) event.preventDefault();
  });

  // The parts of this page, brought up to date from the server.
  let timer = null;
  function refresh(later = 400) {
    if (timer === null) timer = window.setTimeout(reload, later);
  }
  async function reload() {
    try {
      const answer = await fetch(window.location.href, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      every("[data-part]").forEach((old) => {
        const fresh = page.getElementById(old.id);
        // Nobody's focus or open list is taken away; the next change tries it again.
        if (!fresh || fresh.isEqualNode(old) || old.contains(document.activeElement)) return;
        old.replaceWith(document.adoptNode(fresh));
      });
    } catch (error) {
      refreshed = 0; // the next event tries it again
    } finally {
      timer = null;
    }
  }

  let refreshed = 0;
  function changed(job) {
    const rows = every(`[data-job="${CSS.escape(job.uid)}"]`);
    let known = rows.length > 0;
    rows.forEach((row) => {
      const state = row.querySelector("[data-state]");
      if (state && state.textContent !== job.state) known = false;
      const bar = row.querySelector("progress");
      if (bar) {
        bar.max = job.total || 1;
        bar.value = job.total ? job.done + job.failed : 0;
        bar.classList.toggle("bad", job.state === "failed");
      }
      say(row.querySelector("[data-done]"), count(job.done));
      say(row.querySelector("[data-total]"), job.total ? count(job.total) : "?");
      say(row.querySelector("[data-bytes]"), size(job.bytes + (job.coming || 0)));
      const failed = row.querySelector("[data-failed]");
      if (failed) {
        failed.hidden = !job.failed;
        say(failed, ` · ${count(job.failed)} failed`);
      }
    });
    // A job that is in another state than here, or new where jobs are listed; now and then what is told of its files.
    const now = Date.now();
    if (!rows.length) {
      if (document.querySelector("[data-jobs]")) refresh(2000);
    } else if (!known) refresh();
    else if (document.querySelector("#items, #steps") && now - refreshed > 3000) {
      refreshed = now;
      refresh();
    }
  }

  // The drawing of the throughput, as _graph.py makes it.
  const figure = document.querySelector("[data-graph]");
  const samples = figure ? figure.dataset.graph.split(" ").filter(Boolean).map(Number) : [];
  let told = Date.now();
  function ceiling(value) {
    let unit = 1024;
    while (value > 1000 * unit) unit *= 1024;
    const factor = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((each) => value <= each * unit);
    return (factor || 1024) * unit;
  }
  function draw() {
    const kept = Number(figure.dataset.kept);
    while (samples.length > kept) samples.shift();
    const top = ceiling(Math.max(0, ...samples)), step = 600 / (kept - 1), left = 600 - step * (samples.length - 1);
    const line = "M" + samples.map((each, n) => `${(left + step * n).toFixed(1)} ${(120 - (120 * each) / top).toFixed(1)}`).join("L");
    figure.querySelector(".line").setAttribute("d", line);
    figure.querySelector(".area").setAttribute("d", `${line}V120H${left.toFixed(1)}Z`);
    say(figure.querySelector("[data-top]"), `${size(top)}/s`);
  }
  function throughput(data) {
    if (!figure) return;
    told = Date.now();
    samples.push(data.bytes_per_second);
    draw();
    say(document.querySelector("[data-rate]"), `${size(data.bytes_per_second)}/s`);
    say(document.querySelector("[data-downloads]"), count(data.downloads));
  }
  function flows(data) {
    throughput(data);
    if (!document.getElementById("nodes")) return;
    // Of the end nothing more is told; the node that is asked for the page may hear of it a little later than we have.
    if (!data.bytes_per_second) refresh(2500);
    else if (told - refreshed > 3000) {
      refreshed = told;
      refresh();
    }
  }
  // When nothing comes, nothing is told: the line goes on at the bottom.
  if (figure) window.setInterval(() => { if (Date.now() - told > 3000) throughput({ bytes_per_second: 0, downloads: 0 }); }, 2000);

  const where = document.body.dataset.live;
  if (!where || !window.EventSource) return;
  const source = new EventSource(where);
  const connection = document.getElementById("connection");
  const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("job", changed);
  on("throughput", flows);
  on("health", () => refresh());
  on("item", () => refresh(2000));
  on("reset", () => refresh());
  let lost = false;
  source.addEventListener("error", () => { lost = true; if (connection) connection.hidden = false; });
  source.addEventListener("open", () => { if (connection) connection.hidden = true; if (lost) refresh(); lost = false; });
  window.addEventListener("pagehide", () => source.close());
})();
