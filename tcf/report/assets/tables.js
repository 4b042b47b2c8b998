// Tables that sort by a click on a column's head, or by Enter on it; `null` always comes last.

/**
 * A column has `title`, `value(row)` to sort by and, where it is shown otherwise, `cell(row)`;
 * `text` columns are aligned left and sort upwards first.
 */
function sortable(columns, rows, label) {
  let [by, down] = [null, false];
  const body = el("tbody");
  const heads = columns.map((column) => {
    const head = el("th", {
      scope: "col",
      class: column.text ? "text" : "number",
      "aria-sort": "none",
    });
    head.append(el("button", { type: "button", onclick: () => sort(column) }, column.title));
    return head;
  });
  const filled = rows.map((row) => {
    const cells = columns.map((column, n) => {
      const shown = (column.cell ?? column.value)(row) ?? "–";
      return n
        ? el("td", { class: column.text ? "text" : "number" }, shown)
        : el("th", { scope: "row", class: "text" }, shown);
    });
    return [row, el("tr", {}, cells)];
  });

  function sort(column) {
    [by, down] = by === column ? [column, !down] : [column, !column.text];
    heads.forEach((head, n) =>
      head.setAttribute(
        "aria-sort",
        columns[n] !== by ? "none" : down ? "descending" : "ascending",
      ),
    );
    const order = filled.map(([row, node]) => [by.value(row), node]);
    order.sort(([a], [b]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b);
      const order = typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
      return down ? -order : order;
    });
    body.replaceChildren(...order.map(([, node]) => node));
  }

  body.append(...filled.map(([, node]) => node));
  const table = el("table", { "aria-label": label }, el("thead", {}, el("tr", {}, heads)), body);
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
}

const link = (text, press, label) =>
  el("button", { type: "button", class: "link", onclick: press, "aria-label": label }, text);

function withInterval(text, low, high, show = fraction) {
  if (missing(low)) return text;
  return [text, el("span", { class: "interval" }, `${show(low)} to ${show(high)}`)];
}

/** Columns that many tables begin with; those that never differ are left out. */
function names(rows) {
  const columns = [
    { title: "Backbone", text: true, value: (row) => row.backbone },
    { title: "Data set", text: true, value: (row) => row.dataset },
  ];
  return columns.filter(
    (column) => unique(rows.map(column.value).filter((name) => name)).length > 1,
  );
}

/** Whether an arm had fewer trials than another of its data set and backbone. */
const fewerTrials = (row) =>
  row.backbone !== null &&
  MEANS.some(
    (other) =>
      other.dataset === row.dataset &&
      other.backbone === row.backbone &&
      (other.num_trials ?? 0) > (row.num_trials ?? 0),
  );

/** What the lists of an arm do to the catalogue, where its records say so. */
function meanOverSeeds(row, name) {
  const told = seedsOf(row).map((seed) => RECORDS.get(seed.fingerprint).record.lists?.[name]);
  return told.every((value) => typeof value === "number")
    ? told.reduce((a, b) => a + b, 0) / told.length
    : null;
}

function armsTable() {
  const rows = MEANS.filter((mark) => mark.metric === DATA.metrics[0]);
  const of = (row, metric) =>
    MEANS.find(
      (mark) =>
        mark.metric === metric &&
        mark.arm === row.arm &&
        mark.backbone === row.backbone &&
        mark.dataset === row.dataset,
    );
  const metrics = DATA.metrics.map((metric) => ({
    title: metricName(metric),
    value: (row) => of(row, metric)?.value,
    cell: (row) =>
      withInterval(fraction(of(row, metric)?.value), of(row, metric)?.low, of(row, metric)?.high),
  }));
  const lists = unique(DATA.runs.flatMap(({ record }) => Object.keys(record.lists ?? {}))).filter(
    (name) => name !== "k",
  );
  const listed = lists.map((name) => ({
    title: name[0].toUpperCase() + name.slice(1),
    value: (row) => meanOverSeeds(row, name),
    cell: (row) => significant(meanOverSeeds(row, name)),
  }));
  const columns = [
    {
      title: "Arm",
      text: true,
      value: (row) => row.arm,
      cell: (row) => [
        link(row.arm, () => openRecords(row), `${row.arm}: its records`),
        row.control ? el("span", { class: "interval" }, `control: ${row.control}`) : null,
      ],
    },
    ...names(rows),
    { title: "Parameters", value: (row) => row.parameters, cell: (row) => short(row.parameters) },
    ...metrics,
    ...listed,
    { title: "Seeds", value: (row) => row.num_seeds },
    { title: "Interval about", text: true, value: (row) => row.interval_about },
    {
      title: "Epochs",
      value: (row) => row.epochs || null,
      cell: (row) => (row.epochs ? `${row.epochs}${row.hit_epoch_limit ? " ▲" : ""}` : "–"),
    },
    {
      title: "Trials",
      value: (row) => row.num_trials,
      cell: (row) => (fewerTrials(row) ? `${row.num_trials ?? 0} (fewer)` : row.num_trials),
    },
    {
      title: "Search",
      value: (row) => row.tuning_seconds,
      cell: (row) => duration(row.tuning_seconds),
    },
    {
      title: "Training",
      value: (row) => row.train_seconds || null,
      cell: (row) => (row.train_seconds ? duration(row.train_seconds) : "–"),
    },
    {
      title: "FLOPs",
      value: (row) => row.train_flops || null,
      cell: (row) => (row.train_flops ? short(row.train_flops) : "–"),
    },
    {
      title: "Memory",
      value: (row) => row.peak_process_bytes,
      cell: (row) => `${short(row.peak_process_bytes)}B`,
    },
  ];
  return sortable(columns, rows, "Arms: metrics, tuning and cost");
}

function comparisonsTable() {
  const rows = unpack(DATA.comparisons);
  if (!rows.length) return el("p", {}, `No arm is named ${DATA.against}: nothing is compared.`);
  const open = (row) =>
    openRecords(
      MEANS.find(
        (mark) =>
          mark.arm === row.arm &&
          mark.dataset === row.dataset &&
          (mark.backbone === row.backbone || mark.backbone === null),
      ),
    );
  const columns = [
    {
      title: "Arm",
      text: true,
      value: (row) => row.arm,
      cell: (row) => link(row.arm, () => open(row), `${row.arm}: its records`),
    },
    ...names(rows),
    {
      title: `${metricName(rows[0].metric)} − ${DATA.against}`,
      value: (row) => row.difference,
      cell: (row) => withInterval(signed(row.difference), row.low, row.high, signed),
    },
    { title: "p", value: (row) => row.p, cell: (row) => probability(row.p) },
    { title: "p, Holm", value: (row) => row.p_holm, cell: (row) => probability(row.p_holm) },
    { title: "p, BH", value: (row) => row.p_bh, cell: (row) => probability(row.p_bh) },
    { title: "Test", text: true, value: (row) => row.test },
    { title: "About", text: true, value: (row) => row.interval_about },
  ];
  return sortable(columns, rows, `Every arm against ${DATA.against}`);
}

function slicesTable(cut) {
  const rows = unpack(DATA.slices);
  const labels = unique(rows.map((row) => row.slice)).filter((label) =>
    label.startsWith(`${cut}: `),
  );
  const key = (row) => JSON.stringify([row.dataset, row.backbone, row.arm]);
  const arms = new Map();
  for (const row of rows) arms.set(key(row), { ...row, ...arms.get(key(row)), [row.slice]: row });
  const cells = labels.map((label) => ({
    title: label.slice(cut.length + 2),
    value: (row) => row[label]?.value,
    cell: (row) => withInterval(fraction(row[label]?.value), row[label]?.low, row[label]?.high),
  }));
  const columns = [{ title: "Arm", text: true, value: (row) => row.arm }, ...names(rows), ...cells];
  return sortable(
    columns,
    [...arms.values()],
    `${metricName(DATA.metrics[0])} in slices by ${cut.replaceAll("_", " ")}`,
  );
}

const CUTS = {
  target_train_count: "how often the target occurs in training",
  history_length: "length of the history",
  target_in_history: "target seen before",
};

function startTables() {
  BY_ID("arms-table").append(armsTable());
  BY_ID("comparisons-table").append(comparisonsTable());
  const known = unique(unpack(DATA.slices).map((row) => row.slice.split(": ")[0]));
  const cuts = Object.fromEntries(known.map((cut) => [cut, CUTS[cut] ?? cut.replaceAll("_", " ")]));
  if (!known.length)
    return BY_ID("slices-table").append(
      el("p", {}, "The ledger of the split is not at hand: no slices."),
    );
  const holder = el("div", {}, slicesTable(known[0]));
  const choose = choice(`${metricName(DATA.metrics[0])} by`, cuts, known[0], (cut) =>
    holder.replaceChildren(slicesTable(cut)),
  );
  BY_ID("slices-table").append(el("div", { class: "controls" }, choose), holder);
}
