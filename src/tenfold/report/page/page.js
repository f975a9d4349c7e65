"use strict";
(() => {
  const table = document.getElementById("layers");
  const layers = JSON.parse(document.getElementById("curves").textContent);
  const bodies = [...table.tBodies];
  const heads = [...table.tHead.rows[0].cells];
  const shown = document.getElementById("shown");

  // Sorting: text upwards first, numbers downwards; the first column is the network's order.
  const cellOf = (body, column) => body.rows[0].cells[column].dataset.v;
  function sortBy(column) {
    const head = heads[column], number = head.classList.contains("n") && column > 0;
    const was = head.getAttribute("aria-sort");
    const falling = was === "none" ? number : was === "ascending";
    heads.forEach((each) => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const sign = falling ? -1 : 1, plain = head.classList.contains("n");
    const compare = plain ? (a, b) => a - b : (a, b) => a.localeCompare(b, "en", { numeric: true });
    const sorted = [...bodies].sort((a, b) => sign * compare(cellOf(a, column), cellOf(b, column)));
    table.append(...sorted);
  }
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => sortBy(column)));

  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    bodies.forEach((body) => { body.hidden = !body.dataset.name.toLowerCase().includes(wanted); });
    shown.textContent = `${bodies.filter((body) => !body.hidden).length} of ${bodies.length}`;
  });

  // A layer opens below its row.
  const element = (name, attributes, text) => {
    const made = document.createElement(name);
    Object.entries(attributes || {}).forEach(([key, value]) => made.setAttribute(key, value));
    if (text) made.textContent = text;
    return made;
  };
  function toggle(body, index) {
    const button = body.querySelector(".open"), open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) { body.rows[1].remove(); return; }
    const cell = element("td", { colspan: heads.length }), box = element("div");
    cell.append(box);
    const row = element("tr", { class: "detail" });
    row.append(cell);
    body.append(row);
    fill(box, layers[index], body.dataset.name);
  }
  bodies.forEach((body, index) => body.rows[0].addEventListener("click", () => toggle(body, index)));

  const write = (value) => (value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3))));
  function fill(box, layer, name) {
    if (!layer.c.length) {
      box.append(element("p", {}, "No curve was kept: no format makes this layer smaller, or an older version made the plan."));
      return;
    }
    const plots = element("div", { class: "plots" });
    plots.append(plot(layer, name, 2, "relative error of the weight"), plot(layer, name, 3, "predicted damage"));
    const names = element("p", { class: "legend" });
    layer.c.forEach((curve, k) => names.append(element("span", { class: `s${k % 7}` }, curve[0])));
    const said = layer.at
      ? `Chosen (ring): ${layer.format} with ${write(layer.at[0])} of ${write(layer.whole)} parameters, error ${write(layer.at[1])}, predicted damage ${write(layer.at[2])}.`
      : `Kept whole, with ${write(layer.whole)} parameters (dashed).`;
    box.append(names, plots, element("p", { class: "chosen" }, said));
  }

  // One picture: parameters across, error (2) or damage (3) upwards in the logarithm.
  const SVG = "http://www.w3.org/2000/svg";
  function draw(svg, name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    if (text !== undefined) made.textContent = text;
    svg.append(made);
  }
  function plot(layer, name, which, label) {
    const figure = element("figure"), svg = document.createElementNS(SVG, "svg");
    Object.entries({ class: "plot", viewBox: "0 0 420 220", role: "img", "aria-label": `${label} of ${name} by parameters kept` })
      .forEach(([key, value]) => svg.setAttribute(key, value));
    const points = (curve) => curve[1].map((x, k) => [x, curve[which][k]]).filter((point) => point[1] > 0);
    const at = layer.at ? [layer.at[0], layer.at[which - 1]] : null;
    const all = layer.c.flatMap(points).concat(at && at[1] > 0 ? [at] : []).map((point) => point[1]);
    const low = Math.log10(Math.min(...all)), high = Math.max(Math.log10(Math.max(...all)), low + 0.3);
    const x = (value) => (52 + 344 * value / layer.whole).toFixed(1);
    const y = (value) => (180 - 164 * (Math.log10(value) - low) / (high - low)).toFixed(1);
    ticks(low, high).forEach((value) => {
      draw(svg, "line", { class: "grid", x1: 52, x2: 408, y1: y(value), y2: y(value) });
      draw(svg, "text", { x: 46, y: Number(y(value)) + 4, "text-anchor": "end" }, write(value));
    });
    [0, 0.25, 0.5, 0.75, 1].forEach((share) =>
      draw(svg, "text", { x: x(share * layer.whole), y: 198, "text-anchor": "middle" }, `${100 * share} %`));
    draw(svg, "text", { x: 230, y: 215, "text-anchor": "middle" }, "parameters kept in this layer");
    layer.c.forEach((curve, k) => {
      const line = points(curve).map((point) => `${x(point[0])},${y(point[1])}`);
      if (line.length === 1) draw(svg, "circle", { class: `s${k % 7}`, cx: line[0].split(",")[0], cy: line[0].split(",")[1], r: 2 });
      else draw(svg, "polyline", { class: `s${k % 7}`, points: line.join(" ") });
    });
    if (!layer.at) draw(svg, "line", { class: "limit", x1: x(layer.whole), x2: x(layer.whole), y1: 16, y2: 180 });
    else if (at[1] > 0) draw(svg, "circle", { class: "mark", cx: x(at[0]), cy: y(at[1]), r: 5 });
    figure.append(svg, element("figcaption", {}, label));
    return figure;
  }
  function ticks(low, high) {
    const steps = high - low > 1.5 ? [1] : [1, 2, 5], found = [];
    for (let power = Math.floor(low); power <= high; power++)
      steps.forEach((step) => { const value = step * 10 ** power, at = Math.log10(value); if (at >= low && at <= high) found.push(value); });
    return found.filter((_, k) => k % Math.ceil(found.length / 6) === 0);
  }
})();
