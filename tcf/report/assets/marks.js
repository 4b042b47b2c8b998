// How a mark looks, what is said of it, and where it goes.

const AXES = {
  parameters: "parameters used, embeddings included",
  parameters_without_embeddings: "parameters used, embeddings left out",
  flops_per_item: "FLOPs to encode an item",
};
const SHAPES = ["circle", "square", "diamond", "hexagon"];
const LINES = ["nearest", "transitions", "popularity", "chance"]; // not trained: a line across
const SERIES = unique(MEANS.filter((mark) => mark.kind === "model").map((mark) => mark.series));
const view = { metric: DATA.metrics[0], axis: "parameters", off: new Set() };

/** Colour and shape of an arm: families by colour and shape, the rest by what they are. */
function look(mark) {
  if (mark.kind === "id") return { colour: "var(--id)", shape: "circle" };
  if (LINES.includes(mark.kind)) return { colour: "var(--muted)", shape: "line" };
  if (mark.kind === "random") return { colour: "var(--muted)", shape: "circle", open: true };
  if (mark.kind === "static") return { colour: "var(--text)", shape: "diamond" };
  const place = SERIES.indexOf(mark.series);
  return { colour: `var(--series-${place % 6})`, shape: SHAPES[place % 4], open: !!mark.control };
}

/** A marker around (x, y); a triangle says that training stopped at its epoch limit. */
function marker(x, y, mark, size = 5) {
  const { colour, shape, open } = look(mark);
  const paint = { fill: open ? "var(--page)" : colour, stroke: colour, "stroke-width": 1.5 };
  const polygon = (corners) =>
    svg("polygon", {
      points: corners.map(([a, b]) => `${x + a * size},${y + b * size}`).join(" "),
      ...paint,
    });
  if (shape === "line") {
    return svg("line", {
      x1: x - size,
      x2: x + size,
      y1: y,
      y2: y,
      ...paint,
      "stroke-dasharray": "3 2",
    });
  }
  if (mark.hit_epoch_limit)
    return polygon([
      [0, -1.2],
      [1.15, 0.9],
      [-1.15, 0.9],
    ]);
  if (shape === "square")
    return polygon([
      [-0.9, -0.9],
      [0.9, -0.9],
      [0.9, 0.9],
      [-0.9, 0.9],
    ]);
  if (shape === "diamond")
    return polygon([
      [0, -1.25],
      [1.25, 0],
      [0, 1.25],
      [-1.25, 0],
    ]);
  if (shape === "hexagon") {
    return polygon(
      [0, 1, 2, 3, 4, 5].map((n) => [
        1.1 * Math.cos((n * Math.PI) / 3),
        1.1 * Math.sin((n * Math.PI) / 3),
      ]),
    );
  }
  return svg("circle", { cx: x, cy: y, r: size, ...paint });
}

/** What the tip says of a mark. */
function told(mark) {
  const seeds = mark.backbone && mark.num_seeds === 1 ? "a single seed" : `${mark.num_seeds} seeds`;
  const size = mark[view.axis];
  return [
    [mark.arm, "strong"],
    [`${metricName(mark.metric)} ${fraction(mark.value)}`],
    [`95% interval ${fraction(mark.low)} to ${fraction(mark.high)}`],
    [`about ${mark.interval_about}`],
    [`${mark.backbone ? seeds : "not trained"}, ${whole(mark.num_users)} users`],
    size ? [`${short(size)} ${AXES[view.axis]}`] : null,
    mark.hit_epoch_limit ? ["stopped at its epoch limit"] : null,
  ].filter((line) => line);
}

/** Round steps through [low, high], about `count` of them. */
function ticks(low, high, count = 5) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++)
    found.push(n * step);
  return found;
}

/** Marks of the logarithmic axis: powers of ten, and 2 and 5 between them where there are few. */
function sizes(low, high) {
  const found = [];
  const steps = Math.log10(high / low) < 2 ? [1, 2, 5] : [1];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const step of steps) found.push(step * 10 ** power);
  }
  return found.filter((size) => size >= low && size <= high);
}

/** Where things of a panel go: the scales, the slots of encoders without size. */
function layout(shown, width) {
  const box = { left: 46, right: width - 14, top: 12, bottom: 262 };
  const sized = shown.filter((mark) => mark[view.axis] > 0);
  const slots = shown.filter((mark) => !(mark[view.axis] > 0) && !across(mark));
  const values = shown.flatMap((mark) => [mark.low, mark.high]);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low < 0.5 * high) low = 0;
  const room = (high - low || 0.01) * 0.06;
  [low, high] = [low === 0 ? 0 : low - room, high + room];
  const start = box.left + (slots.length ? 24 * slots.length + 12 : 0);
  const all = sized.map((mark) => mark[view.axis]);
  const [small, large] = all.length ? [Math.min(...all) / 1.35, Math.max(...all) * 1.35] : [1, 10];
  return {
    ...box,
    slots,
    sized,
    start,
    low,
    high,
    small,
    large,
    y: (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top),
    size: (value) =>
      start + (Math.log(value / small) / Math.log(large / small)) * (box.right - start),
    x: function (mark) {
      return mark[view.axis] > 0
        ? this.size(mark[view.axis])
        : box.left + 18 + 24 * slots.indexOf(mark);
    },
  };
}

const across = (mark) => mark.kind === "id" || LINES.includes(mark.kind);
