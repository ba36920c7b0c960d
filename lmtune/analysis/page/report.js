"use strict";
(() => {
  const { figures, base, themes } = JSON.parse(document.getElementById("report-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)");
  let printing = false;
  const drawn = new Set();

  const themed = (value, colours) => {
    if (typeof value === "string") return value[0] === "@" ? colours[value.slice(1)] ?? value : value;
    if (Array.isArray(value)) {
      return typeof value[value.length - 1] === "number" ? value : value.map((item) => themed(item, colours));
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item, colours)]));
  };
  const merged = (first, second) => {
    const both = (key) => typeof first[key] === "object" && typeof second[key] === "object" && !Array.isArray(second[key]);
    const result = { ...first };
    for (const key of Object.keys(second)) result[key] = both(key) ? merged(first[key], second[key]) : second[key];
    return result;
  };
  const chosen = (name) => document.querySelector(`input[name="view-${name}"]:checked`)?.value;

  const draw = (plot) => {
    const { views, height } = figures[plot.dataset.figure];
    const view = views[chosen(plot.dataset.figure) ?? Object.keys(views)[0]];
    const colours = themes[dark.matches && !printing ? "dark" : "light"];
    const layout = merged(merged(base, view.layout), { height, autosize: true });
    if (touch.matches) layout.dragmode = false; // a finger scrolls the page
    drawn.add(plot);
    Plotly.react(plot, themed(view.data, colours), themed(layout, colours), {
      displayModeBar: false, responsive: true, doubleClick: "reset",
    });
  };
  const redraw = () => drawn.forEach(draw);

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "400px" });
  const plots = document.querySelectorAll(".plot");
  const load = () => {
    // Plotly's library, which takes longest, comes after the text was painted.
    if (window.Plotly || !plots.length) return;
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  };
  requestAnimationFrame(() => setTimeout(() => {
    load();
    plots.forEach((plot) => seen.observe(plot));
  }));

  document.addEventListener("change", (event) => {
    if (event.target.matches(".views input")) draw(event.target.closest("figure").querySelector(".plot"));
  });
  dark.addEventListener("change", redraw);
  const print = (now) => {
    load();
    printing = now;
    document.querySelectorAll("details").forEach((details) => { details.open = now; });
    plots.forEach((plot) => { seen.unobserve(plot); draw(plot); });
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));

  document.addEventListener("click", async (event) => {
    if (!event.target.matches(".copy")) return;
    const code = event.target.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // not allowed for a page from a file: select it instead
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    event.target.textContent = "Copied";
    setTimeout(() => { event.target.textContent = "Copy"; }, 1500);
  });
})();
