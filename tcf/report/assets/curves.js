// The curves: a metric against the size of the encoder, a chart for each data set and backbone.

function frame(at) {
  const parts = [];
  for (const value of ticks(at.low, at.high)) {
    const y = at.y(value);
    parts.push(svg("line", { class: "grid", x1: at.left, x2: at.right, y1: y, y2: y }));
    parts.push(
      svg(
        "text",
        { x: at.left - 6, y: y + 4, "text-anchor": "end" },
        Number((100 * value).toPrecision(3)),
      ),
    );
  }
  if (at.sized.length) {
    for (const size of sizes(at.small, at.large)) {
      const x = at.size(size);
      parts.push(svg("line", { class: "axis", x1: x, x2: x, y1: at.bottom, y2: at.bottom + 4 }));
      parts.push(svg("text", { x, y: at.bottom + 17, "text-anchor": "middle" }, short(size)));
    }
    parts.push(
      svg("line", { class: "axis", x1: at.start, x2: at.right, y1: at.bottom, y2: at.bottom }),
    );
    parts.push(
      svg(
        "text",
        { x: (at.start + at.right) / 2, y: at.bottom + 36, "text-anchor": "middle" },
        AXES[view.axis],
      ),
    );
  }
  if (at.slots.length) {
    const end = at.left + 24 * at.slots.length + 4;
    parts.push(svg("line", { class: "axis", x1: at.left, x2: end, y1: at.bottom, y2: at.bottom }));
    parts.push(
      svg("text", { x: (at.left + end) / 2, y: at.bottom + 17, "text-anchor": "middle" }, "none"),
    );
  }
  return parts;
}

/** Lines that join the sizes of a series, and the fits with their bands. */
function curves(shown, at, panel) {
  const parts = [];
  for (const series of unique(
    at.sized.filter((mark) => mark.kind === "model").map((mark) => mark.series),
  )) {
    const of = at.sized.filter((mark) => mark.series === series && mark.kind === "model");
    of.sort((a, b) => a[view.axis] - b[view.axis]);
    const points = of.map((mark) => `${at.x(mark)},${at.y(mark.value)}`).join(" ");
    parts.push(svg("polyline", { class: "joined", points, stroke: look(of[0]).colour }));
    parts.push(...fitted(of[0], at, panel));
  }
  return parts;
}

function fitted(mark, at, [dataset, backbone]) {
  return DATA.fits
    .filter(
      (fit) => fit.dataset === dataset && fit.backbone === backbone && fit.series === mark.series,
    )
    .filter((fit) => fit.metric === view.metric && fit.axis === view.axis)
    .flatMap((fit) => {
      // What is switched off may have stretched the axes: a curve ends where they do.
      const within = (value) => Math.min(Math.max(value, at.low), at.high);
      const line = (values) =>
        fit.x.flatMap((x, n) =>
          x < at.small || x > at.large ? [] : [`${at.size(x)},${at.y(within(values[n]))}`],
        );
      const colour = look(mark).colour;
      return [
        fit.low
          ? svg("polygon", {
              class: "fit-band",
              points: [...line(fit.high), ...line(fit.low).reverse()].join(" "),
              fill: colour,
            })
          : null,
        svg("polyline", { class: "fit", points: line(fit.mean).join(" "), stroke: colour }),
      ].filter((part) => part);
    });
}

/** The ID baseline as a band, what is not trained as dashed lines, with their names. */
function lines(shown, at) {
  const wide = shown.filter(across).sort((a, b) => b.value - a.value);
  let last = -Infinity;
  return wide.map((mark) => {
    const { colour } = look(mark);
    const [y, high] = [at.y(mark.value), at.y(mark.high)];
    const label = Math.max(Math.min(y, high) - 5, at.top + 8, last + 15);
    last = label;
    const ends = { x1: at.left, x2: at.right, y1: y, y2: y };
    return pressable(
      mark,
      [
        svg("rect", {
          x: at.left,
          width: at.right - at.left,
          y: high,
          height: Math.max(at.y(mark.low) - high, 0),
          fill: colour,
          opacity: 0.16,
        }),
        svg("line", {
          ...ends,
          stroke: colour,
          "stroke-width": 1.5,
          "stroke-dasharray": mark.kind === "id" ? null : "5 4",
        }),
        svg("line", { ...ends, class: "target", "stroke-width": 14 }),
        svg(
          "text",
          { x: at.right - 2, y: label, "text-anchor": "end", fill: colour, class: "name" },
          mark.arm,
        ),
      ],
      svg("rect", {
        class: "ring",
        x: at.left - 3,
        y: y - 7,
        width: at.right - at.left + 6,
        height: 14,
        rx: 3,
      }),
    );
  });
}

function points(shown, at) {
  const drawn = shown.filter((mark) => !across(mark)).sort((a, b) => at.x(a) - at.x(b));
  return drawn.map((mark) => {
    const [x, y, { colour }] = [at.x(mark), at.y(mark.value), look(mark)];
    const seeds = seedsOf(mark).map((seed) =>
      svg("circle", { cx: x + 7, cy: at.y(seed.value), r: 1.6, fill: colour, opacity: 0.55 }),
    );
    return pressable(
      mark,
      [
        svg("line", {
          x1: x,
          x2: x,
          y1: at.y(mark.low),
          y2: at.y(mark.high),
          stroke: colour,
          "stroke-width": 1.5,
        }),
        ...seeds,
        marker(x, y, mark),
        svg("circle", { class: "target", cx: x, cy: y, r: 13 }),
      ],
      svg("circle", { class: "ring", cx: x, cy: y, r: 10 }),
    );
  });
}

/** A mark that tells on hover and focus, and opens its records when pressed. */
function pressable(mark, parts, ring) {
  const open = () => openRecords(mark);
  const node = svg(
    "g",
    {
      class: "mark",
      tabindex: -1,
      role: "button",
      "aria-label": told(mark)
        .map(([text]) => text)
        .join("; "),
      onclick: open,
      onpointerenter: () => showTip(told(mark), node),
      onpointerleave: hideTip,
      onfocus: () => showTip(told(mark), node),
      onblur: hideTip,
      onkeydown: (event) => {
        if (event.key === "Enter" || event.key === " ") [event.preventDefault(), open()];
        else walk(event, node);
      },
    },
    parts,
    ring,
  );
  return node;
}

/** One stop of the tab key for each chart; the arrow keys go from mark to mark. */
function walk(event, node) {
  const marks = [...node.ownerSVGElement.querySelectorAll(".mark")];
  const now = marks.indexOf(node);
  const next = {
    ArrowRight: now + 1,
    ArrowDown: now + 1,
    ArrowLeft: now - 1,
    ArrowUp: now - 1,
    Home: 0,
    End: marks.length - 1,
  }[event.key];
  if (next === undefined || !marks[next]) return;
  event.preventDefault();
  marks.forEach((mark, n) => mark.setAttribute("tabindex", n === next ? 0 : -1));
  marks[next].focus();
}

function chart(panel, width) {
  const [dataset, backbone] = panel;
  const shown = MEANS.filter(
    (mark) =>
      mark.metric === view.metric &&
      mark.dataset === dataset &&
      (mark.backbone === backbone || mark.backbone === null) &&
      !view.off.has(mark.arm),
  );
  const name = [backbone, dataset].filter((x) => x).join(" · ");
  const label = `${metricName(view.metric)} against ${AXES[view.axis]}: ${name}. Arrow keys go from mark to mark.`;
  const drawing = svg("svg", {
    width,
    height: 312,
    viewBox: `0 0 ${width} 312`,
    role: "group",
    "aria-label": label,
  });
  if (shown.length) {
    const at = layout(shown, width);
    const marks = [...lines(shown, at), ...points(shown, at)];
    marks[0].setAttribute("tabindex", 0);
    drawing.append(...frame(at), ...curves(shown, at, panel), ...marks);
  }
  return el(
    "figure",
    {},
    el("figcaption", {}, el("strong", {}, name), ` ${metricName(view.metric)} (%)`),
    shown.length ? drawing : el("p", {}, "No arm is shown."),
  );
}

function drawCurves() {
  hideTip();
  const holder = BY_ID("charts");
  const space = holder.clientWidth;
  if (!space) return; // not laid out yet: the observer calls again
  const columns = Math.max(1, Math.min(DATA.panels.length, Math.floor(space / 420)));
  const width = Math.floor((space - 24 * (columns - 1)) / columns);
  holder.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  holder.replaceChildren(...DATA.panels.map((panel) => chart(panel, width)));
}

// The legend and the choices above it

function toggle(arms, on) {
  arms.forEach((arm) => (on ? view.off.delete(arm) : view.off.add(arm)));
  drawLegend();
  drawCurves();
}

/** The series that an arm shares with others of the study; empty where it is alone. */
function familyOf(mark) {
  const alike = MEANS.filter((other) => other.kind === "model" && other.series === mark.series);
  return mark.kind === "model" && unique(alike.map((other) => other.arm)).length > 1
    ? mark.series
    : "";
}

function drawLegend() {
  const focused = document.activeElement?.dataset?.key;
  const arms = new Map(MEANS.map((mark) => [mark.arm, mark]));
  const families = unique([...arms.values()].map(familyOf)).sort((a, b) => Boolean(a) - Boolean(b));
  const button = (key, on, press, ...children) =>
    el(
      "button",
      { type: "button", "aria-pressed": String(on), "data-key": key, onclick: press },
      children,
    );
  const rows = families.map((family) => {
    const names = [...arms.keys()].filter((arm) => familyOf(arms.get(arm)) === family);
    names.sort((a, b) => (arms.get(a).parameters ?? 0) - (arms.get(b).parameters ?? 0));
    const all = names.every((arm) => !view.off.has(arm));
    const chips = names.map((arm) => {
      const on = !view.off.has(arm);
      const swatch = svg(
        "svg",
        { width: 16, height: 14, "aria-hidden": "true" },
        marker(8, 7, { ...arms.get(arm), hit_epoch_limit: false }, 4.5),
      );
      return button(`arm ${arm}`, on, () => toggle([arm], !on), swatch, arm);
    });
    const whole = family
      ? button(`all ${family}`, all, () => toggle(names, !all), `${family}: all`)
      : null;
    return el("div", { class: "chips" }, whole, chips);
  });
  BY_ID("legend").replaceChildren(...rows);
  if (focused)
    [...BY_ID("legend").querySelectorAll("button")]
      .find((node) => node.dataset.key === focused)
      ?.focus();
}

function startCurves() {
  const known = Object.entries(AXES).filter(([axis]) => MEANS.some((mark) => mark[axis] > 0));
  if (known.length) view.axis = known[0][0];
  const metrics = Object.fromEntries(DATA.metrics.map((name) => [name, metricName(name)]));
  BY_ID("curve-controls").append(
    choice("Metric", metrics, view.metric, (value) => [(view.metric = value), drawCurves()]),
    ...(known.length
      ? [
          choice("Horizontal axis", Object.fromEntries(known), view.axis, (value) => [
            (view.axis = value),
            drawCurves(),
          ]),
        ]
      : []),
  );
  drawLegend();
  let space = 0;
  new ResizeObserver(() => {
    if (BY_ID("charts").clientWidth === space) return;
    space = BY_ID("charts").clientWidth;
    drawCurves();
  }).observe(BY_ID("charts"));
  BY_ID("curves-note").textContent =
    "Markers are means over seeds with their 95% intervals, small dots single seeds. A band across is the mean and interval of " +
    "learned IDs, a dashed line across is not trained. A dashed curve is the form fitted to a family, with its 95% band in " +
    `${metricName(DATA.metrics[0])}. A triangle stopped at its epoch limit; what has no size stands left of the axis.`;
}
