"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const palettes = read("palette");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Dragging on a touch screen is for scrolling the page.
  const touch = matchMedia("(pointer: coarse)").matches;
  const figures = new Map([...document.querySelectorAll(".plot")].map((div) => [div, read(div.dataset.figure)]));
  // The charts in three dimensions take longest: they come last.
  const plots = [...figures.keys()].sort((a, b) => is3d(a) - is3d(b));
  const hidden = new Set();
  /** Where a label can stand beside its point: to the right (1) or left, and how much further down. */
  const PLACES = [
    ["top center", 0, -13], ["bottom center", 0, 13], ["middle right", 1, 0], ["middle left", -1, 0],
    ["top right", 1, -13], ["top left", -1, -13], ["bottom right", 1, 13], ["bottom left", -1, 13],
  ];
  /** Of figures with objectives as axes: which of them stand there. */
  const choices = new Map(plots.flatMap((div) => {
    const { choice } = figures.get(div);
    return choice ? [[div, choice.axes.map((_, i) => i)]] : [];
  }));

  /** The drawing library, which the page carries compressed. */
  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    document.head.append(script);
  }

  const library = unpack();

  function is3d(div) {
    return "scene" in figures.get(div).layout;
  }

  const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** The colour of a name: "$3", "$3/0.2", "$ink". */
  function colour(name) {
    const [key, alpha] = name.slice(1).split("/");
    const series = palettes[dark.matches ? "dark" : "light"];
    const hex = /^\d+$/.test(key) ? series[Number(key) % series.length] : property(`--${key}`);
    if (alpha === undefined) return hex;
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${red},${green},${blue},${alpha})`;
  }

  /** A copy with colours for their names; other texts, which a model may have written, stay as they are. */
  function painted(value, key) {
    if (Array.isArray(value)) return value.map((entry) => painted(entry, key));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, painted(entry, name)]));
    }
    const isName = typeof value === "string" && (key === "color" || key === "fillcolor") && value.startsWith("$");
    return isName ? colour(value) : value;
  }

  function theme(narrow) {
    const axis = {
      gridcolor: property("--faint"), linecolor: property("--faint"), zerolinecolor: property("--faint"),
      automargin: true, ticks: "", zeroline: false, exponentformat: "none", separatethousands: true, title: { font: { size: 12, color: property("--muted") }, standoff: 8 },
    };
    const side = { ...axis, backgroundcolor: property("--paper"), showbackground: false, showspikes: false };
    return {
      layout: {
        paper_bgcolor: property("--paper"), plot_bgcolor: property("--paper"), uirevision: "keep",
        separators: ".\u202f", font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12, color: property("--ink") },
        margin: { l: 8, r: 12, t: 8, b: 8 }, dragmode: touch ? false : "zoom",
        xaxis: axis, yaxis: axis, scene: { xaxis: side, yaxis: side, zaxis: side },
        hoverlabel: {
          align: "left", bgcolor: property("--card"), bordercolor: property("--muted"),
          font: { color: property("--ink"), size: 12 },
        },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: property("--muted"), activecolor: property("--ink") },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 } },
      },
    };
  }

  /** Puts the objectives that are chosen onto the axes of a figure. */
  function place({ axes, options }, chosen, data, layout) {
    const home = layout.scene || layout;
    layout.uirevision = chosen.join();
    axes.forEach((axis, i) => {
      home[axis] = options[chosen[i]];
      for (const trace of data) {
        if (trace.columns) trace[axis[0]] = trace.columns[chosen[i]];
        if (trace.errors) trace[`error_${axis[0]}`] = { ...trace.bars, array: trace.errors[chosen[i]] };
      }
    });
    const [first, second] = chosen;
    for (const trace of data.filter(({ lines }) => lines)) {
      const ends = first < second ? trace.lines[`${first}-${second}`] : trace.lines[`${second}-${first}`].toReversed();
      [trace.x, trace.y] = ends;
    }
  }

  /** Has each label stand where it covers no other label and no point, if there is such a place. */
  async function spread(div) {
    const { xaxis, yaxis } = div._fullLayout;
    const drawn = div.data.filter(({ mode, visible }) => visible && mode && mode.includes("markers"));
    const spots = new Map(drawn.map((trace) => [trace, trace.x.map((x, i) => [xaxis.d2p(x), yaxis.d2p(trace.y[i])])]));
    const taken = [...spots.values()].flat().map(([x, y]) => [x - 4, y - 4, 8, 8]);
    const covers = ([x, y, width, height]) => taken.filter(([left, top, wide, high]) =>
      x < left + wide && left < x + width && y < top + high && top < y + height).length;
    for (const trace of drawn.filter(({ text }) => text)) {
      const places = spots.get(trace).map(([x, y], i) => {
        const width = 8 * trace.text[i].length;
        const tried = PLACES.map(([name, sideways, down]) => {
          const box = [x + (sideways < 0 ? -width - 6 : sideways > 0 ? 6 : -width / 2), y + down - 6, width, 12];
          return { name, box, over: covers(box) };
        });
        const best = tried.reduce((one, other) => (other.over < one.over ? other : one));
        taken.push(best.box);
        return best.name;
      });
      await Plotly.restyle(div, { textposition: [places] }, [div.data.indexOf(trace)]);
    }
  }

  async function draw(div) {
    const figure = figures.get(div);
    const data = painted(figure.data);
    for (const trace of data) trace.visible = !hidden.has(trace.legendgroup);
    const layout = painted(figure.layout);
    if (figure.choice) place(figure.choice, choices.get(div), data, layout);
    const narrow = div.clientWidth < 480;
    layout.template = theme(narrow);
    if (narrow && is3d(div)) {
      const eye = layout.scene.camera.eye; // from further away: the axes' names need room beside them
      for (const axis in eye) eye[axis] *= 1.37;
    }
    try {
      await Plotly.react(div, data, layout, {
        responsive: true, displaylogo: false, scrollZoom: false,
        toImageButtonOptions: { filename: div.id.replace("plot-", "paretune-"), scale: 2 },
        modeBarButtons: [["toImage", is3d(div) ? "resetCameraDefault3d" : "resetScale2d"]],
      });
      if (figure.choice && !is3d(div)) await spread(div);
      div.dataset.drawn = dark.matches ? "dark" : "light";
    } catch (error) {
      fail(div, error);
    }
  }

  function fail(div, error) {
    div.classList.add("broken");
    div.textContent = `This chart could not be drawn: ${error}`;
    console.error(error);
  }

  /** One after the other, giving way to the reader's scrolling. */
  async function drawAll() {
    await library.catch((error) => plots.forEach((div) => fail(div, error)));
    for (const div of plots) {
      await draw(div);
      await new Promise((resolve) => setTimeout(resolve));
    }
    document.documentElement.dataset.ready = "yes";
  }

  for (const box of document.querySelectorAll("[data-arm]")) {
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(box.dataset.arm);
      else hidden.add(box.dataset.arm);
      drawAll();
    });
  }
  for (const [div, chosen] of choices) {
    const selects = [...div.parentElement.querySelectorAll("select")];
    selects.forEach((select, i) => {
      select.selectedIndex = chosen[i];
      select.addEventListener("change", () => {
        // An objective stands on one axis: the axis that had it takes what this one had.
        const taken = chosen.indexOf(select.selectedIndex);
        if (taken >= 0) chosen[taken] = chosen[i];
        chosen[i] = select.selectedIndex;
        selects.forEach((one, k) => { one.selectedIndex = chosen[k]; });
        draw(div);
      });
    });
  }
  // A table that is wider than its place says that it scrolls.
  const widths = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    target.classList.toggle("wide", target.scrollWidth > target.clientWidth);
  }));
  for (const table of document.querySelectorAll(".scroll")) widths.observe(table);
  dark.addEventListener("change", drawAll);
  drawAll();
})();
