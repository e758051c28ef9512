// Keeps what is shown fresh and brings charts to life. Without it, every page reads and works.
"use strict";
(() => {
  const every = 5000;
  let loading;

  async function charts(root) {
    const figures = root.querySelectorAll("[data-chart]:not([data-alive])");
    if (!figures.length) return;
    // Once, however often somebody looks before it has come: it cannot be run a second time.
    loading ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = "/charts.js";
      script.onload = done;
      script.onerror = (fault) => { loading = undefined; failed(fault); };
      document.head.append(script);
    });
    await loading;
    for (const figure of figures) {
      if ("alive" in figure.dataset) continue;
      const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
      const place = figure.querySelector(".chart > [role=img]");
      const live = document.createElement("div");
      // ast: expressions are interpreted, so the page needs no eval.
      await window.vegaEmbed(live, spec, { ast: true, actions: false, renderer: "svg", defaultStyle: false });
      place.replaceChildren(live);
      figure.dataset.alive = "";
    }
  }

  function busy(region) {
    const at = document.activeElement;
    return at && at !== document.body && region.contains(at);
  }

  async function look() {
    const regions = document.querySelectorAll("[data-live]");
    if (!regions.length || document.hidden) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const region of regions) {
      const next = fresh.getElementById(region.id);
      if (next && !busy(region) && next.innerHTML !== region.dataset.seen) {
        region.dataset.seen = next.innerHTML;
        const open = [...region.querySelectorAll("details")].map((d) => d.open);
        region.innerHTML = next.innerHTML;
        delete region.dataset.alive;
        region.querySelectorAll("details").forEach((d, n) => { d.open = open[n] ?? d.open; });
      }
    }
    charts(document).catch(() => {});
  }

  charts(document).catch(() => {});
  setInterval(() => look().catch(() => {}), every);
})();
