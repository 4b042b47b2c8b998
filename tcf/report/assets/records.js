// The records behind the numbers: a table of all runs, and a dialog with what is in one.

const RECORD = BY_ID("record");

const runName = ({ config }) =>
  [config.dataset, config.backbone?.name, config.arm.name, `seed ${config.seed}`]
    .filter((x) => x)
    .join(" / ");

/** Open the records of an arm, or of one run where `fingerprint` names it. */
function openRecords(mark, fingerprint) {
  const runs = seedsOf(mark).map((seed) => RECORDS.get(seed.fingerprint));
  const choose = (run) => {
    BY_ID("record-title").textContent = runName(run.record);
    BY_ID("record-seeds").replaceChildren(
      ...(runs.length > 1 ? runs : []).map((other) =>
        el(
          "button",
          {
            type: "button",
            "aria-pressed": String(other === run),
            onclick: () => [choose(other), focusSeed()],
          },
          `seed ${other.record.config.seed}`,
        ),
      ),
    );
    BY_ID("record-body").replaceChildren(...recordParts(run));
    history.replaceState(null, "", `#run-${run.record.fingerprint.slice(0, 12)}`);
  };
  hideTip();
  choose(runs.find((run) => run.record.fingerprint === fingerprint) ?? runs[0]);
  if (!RECORD.open) RECORD.showModal();
  RECORD.scrollTop = 0;
}

const focusSeed = () => BY_ID("record-seeds").querySelector("[aria-pressed=true]")?.focus();

const TITLES = {
  metrics: "Metrics",
  lists: "Lists of the first items",
  config: "Settings",
  vectors: "Vectors",
  parameters: "Trained parameters",
  compute: "Cost",
  tuning: "Search",
  data: "Data",
  provenance: "Provenance",
};

function recordParts({ record, file }) {
  const { history, ...rest } = record;
  const shown = Object.keys(TITLES).filter((key) => rest[key] && Object.keys(rest[key]).length);
  const part = (key) =>
    el(
      "section",
      { class: `part-${key}` },
      el("h3", {}, TITLES[key]),
      key === "metrics" ? metricList(rest.metrics) : tree(rest[key]),
    );
  return [
    el("dl", { class: "tree" }, entry("file", file), entry("fingerprint", record.fingerprint)),
    history?.epochs?.length ? learning(history, record.config.train.monitor) : null,
    el("div", { class: "parts" }, shown.map(part)),
    el(
      "details",
      {},
      el("summary", {}, "The record as it is on disk"),
      el("pre", { tabindex: 0 }, JSON.stringify(record, null, 1)),
    ),
  ].filter((node) => node);
}

const entry = (name, value) => [el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, value)];

/** Whatever is in a record, by its own names. */
function tree(value) {
  if (value === null) return "none";
  if (Array.isArray(value))
    return value.every((x) => typeof x !== "object") ? value.join(", ") : JSON.stringify(value);
  if (typeof value === "object")
    return el(
      "dl",
      { class: "tree" },
      Object.entries(value).flatMap(([name, inner]) => entry(name, tree(inner))),
    );
  return typeof value === "number" && Number.isInteger(value) && value > 9999
    ? whole(value)
    : String(value);
}

function metricList(metrics) {
  const rows = Object.entries(metrics).map(([name, value]) =>
    typeof value === "object" && value !== null && "mean" in value
      ? entry(
          metricName(name),
          `${fraction(value.mean)} (${fraction(value.low)} to ${fraction(value.high)}, new users)`,
        )
      : entry(metricName(name), tree(value)),
  );
  return el("dl", { class: "tree" }, rows.flat());
}

/** The validation metric and the loss, epoch by epoch, each in its own small picture. */
function learning({ epochs, best_epoch: best, hit_epoch_limit: stopped }, monitor) {
  const picture = (title, values, mark) => {
    const [width, height, left] = [300, 110, 52];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const x = (n) => left + (n / Math.max(values.length - 1, 1)) * (width - left - 8);
    const y = (value) => 8 + (1 - (value - low) / (high - low || 1)) * (height - 34);
    const label = (value, at) =>
      svg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, Number(value.toPrecision(3)));
    return el(
      "figure",
      {},
      el("figcaption", {}, title),
      svg(
        "svg",
        {
          width,
          height,
          viewBox: `0 0 ${width} ${height}`,
          role: "img",
          "aria-label": `${title}: ${values.length} epochs, from ${Number(values[0].toPrecision(3))} to ${Number(values.at(-1).toPrecision(3))}`,
        },
        svg("line", { class: "axis", x1: left, x2: width - 8, y1: height - 20, y2: height - 20 }),
        label(high, y(high)),
        high > low ? label(low, y(low)) : null,
        svg("polyline", {
          class: "joined",
          points: values.map((value, n) => `${x(n)},${y(value)}`).join(" "),
          stroke: "var(--accent)",
        }),
        values.length === 1 || mark
          ? svg("circle", {
              cx: x(mark ? best : 0),
              cy: y(values[mark ? best : 0]),
              r: 4,
              fill: "var(--accent)",
            })
          : null,
        svg("text", { x: left, y: height - 4 }, "epoch 1"),
        svg("text", { x: width - 8, y: height - 4, "text-anchor": "end" }, values.length),
      ),
    );
  };
  const validation = epochs.map((epoch) => epoch.validation);
  return el(
    "div",
    { class: "learning" },
    picture(
      `Validation ${metricName(monitor ?? "")}, best after epoch ${best + 1}${stopped ? "; stopped at the epoch limit" : ""}`,
      validation,
      best >= 0 && best < epochs.length,
    ),
    picture(
      "Training loss",
      epochs.map((epoch) => epoch.loss),
      false,
    ),
  );
}

function runsTable() {
  const rows = MARKS.filter((mark) => mark.mark === "seed" && mark.metric === DATA.metrics[0]);
  const record = (row) => RECORDS.get(row.fingerprint).record;
  const columns = [
    {
      title: "Arm",
      text: true,
      value: (row) => row.arm,
      cell: (row) =>
        link(
          row.arm,
          () => openRecords(row, row.fingerprint),
          `${runName(record(row))}: its record`,
        ),
    },
    ...names(rows),
    { title: "Seed", value: (row) => row.seed },
    {
      title: metricName(DATA.metrics[0]),
      value: (row) => row.value,
      cell: (row) => fraction(row.value),
    },
    { title: "Epochs", value: (row) => row.epochs || null },
    {
      title: "Training",
      value: (row) => row.train_seconds || null,
      cell: (row) => (row.train_seconds ? duration(row.train_seconds) : "–"),
    },
    {
      title: "Fingerprint",
      text: true,
      value: (row) => row.fingerprint.slice(0, 12),
      cell: (row) => el("code", {}, row.fingerprint.slice(0, 12)),
    },
    {
      title: "Commit",
      text: true,
      value: (row) => record(row).provenance?.commit?.slice(0, 9),
      cell: (row) => el("code", {}, record(row).provenance?.commit?.slice(0, 9) ?? "–"),
    },
    { title: "Device", text: true, value: (row) => record(row).compute?.device },
    { title: "Machine", text: true, value: (row) => record(row).provenance?.machine },
  ];
  return sortable(columns, rows, "Every run");
}

function startRecords() {
  BY_ID("runs-table").append(runsTable());
  BY_ID("record-close").addEventListener("click", () => RECORD.close());
  RECORD.addEventListener("click", (event) => event.target === RECORD && RECORD.close());
  RECORD.addEventListener("close", () => history.replaceState(null, "", "#runs"));
  const asked = location.hash.replace("#run-", "");
  const run = MARKS.find((mark) => mark.fingerprint?.startsWith(asked) && asked.length === 12);
  if (run) openRecords(run, run.fingerprint);
}
