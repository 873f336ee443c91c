/* Explorables: figures that move on a static page, without a kernel. Written by
   learndyn.figures.explore, moved here. Vega comes from vega.js beside this file
   when a figure is approached, or is inlined. */
(() => {
  "use strict";
  if (window.learndynExplore) return window.learndynExplore();
  const here = document.currentScript && document.currentScript.src;
  const MISSING = -32768;

  let vega;
  const loadVega = () => vega ||= new Promise((resolve, reject) => {
    if (window.vegaEmbed) return resolve();
    addEventListener("learndyn-vega", resolve, { once: true });
    if (!here) return; // in a notebook another output carries Vega
    document.head.append(Object.assign(document.createElement("script"),
      { src: new URL("vega.js", here), onerror: reject }));
  });

  /* A stored table -> a function from the controls' indices to rows. */
  const reader = ({ by, sizes, axes, values }) => {
    const columns = Object.entries(values).map(([name, v]) => {
      const bytes = Uint8Array.from(atob(v.data), (c) => c.charCodeAt(0));
      const stored = new Int16Array(bytes.buffer);
      const value = v.labels ? (q) => v.labels[q]
        : v.log ? (q) => Math.exp(v.offset + v.scale * q)
        : (q) => v.offset + v.scale * q;
      return [name, (k) => stored[k] === MISSING ? null : value(stored[k])];
    });
    const ticks = axes.reduce((rows, [name, points]) => rows.flatMap(
      (row) => points.map((point) => ({ ...row, [name]: point }))), [{}]);
    return (state) => {
      const slice = by.reduce((k, name, i) => k * sizes[i] + state[name], 0);
      return ticks.map((tick, j) => {
        const row = { ...tick };
        for (const [name, at] of columns) row[name] = at(slice * ticks.length + j);
        return row;
      });
    };
  };

  const mount = (figure) => {
    figure.dataset.mounted = "";
    const data = figure.querySelector("script[type='application/json']");
    const { controls, tables, panels, badge, config } = JSON.parse(data.textContent);
    const readers = Object.fromEntries(
      Object.entries(tables).map(([name, table]) => [name, reader(table)]));
    const badgeReader = badge && reader(badge.table);
    const inputs = figure.querySelectorAll("[data-control]");
    const state = {}, changed = new Set();
    let views = [], busy = null;

    const signals = (name) => {
      const index = state[name];
      return [[name, controls[name].values[index]], [`${name}_index`, index]];
    };
    const print = () => {
      for (const input of inputs) {
        const text = controls[input.name].texts[state[input.name]];
        input.value = state[input.name];
        if (input.type !== "range") continue;
        input.setAttribute("aria-valuetext", text);
        input.style.setProperty("--at", input.value / input.max);
        input.parentElement.querySelector(".value").textContent = text;
      }
      if (!badge) return;
      const { label } = badgeReader(state)[0];
      const out = figure.querySelector(".badge");
      out.style.setProperty("--dot", badge.colors[label]);
      if (out.lastChild.textContent !== label) out.lastChild.textContent = label;
    };
    const redraw = async () => {
      const names = [...changed];
      changed.clear();
      await Promise.all(views.map((view, i) => {
        for (const table of panels[i].tables) {
          const moved = tables[table].by.some((name) => names.includes(name));
          if (moved) view.data(table, readers[table](state));
        }
        for (const [signal, value] of names.flatMap(signals)) view.signal(signal, value);
        return view.runAsync();
      }));
      busy = changed.size ? redraw() : null;
      return busy;
    };
    const set = (name, index) => {
      if (state[name] === index || !(index in controls[name].values)) return busy;
      state[name] = index;
      changed.add(name);
      print();
      if (views.length) busy ||= new Promise(requestAnimationFrame).then(redraw);
      return busy;
    };
    const reset = () => Object.keys(controls)
      .forEach((name) => set(name, controls[name].start));

    const embed = async (element, { spec, tables: names, aspect, picks }) => {
      const width = element.clientWidth;
      const params = Object.keys(controls).flatMap(signals)
        .map(([name, value]) => ({ name, value }));
      const rows = names.map((name) => [name, readers[name](state)]);
      const { view } = await window.vegaEmbed(element, {
        ...spec, width, height: aspect ? width * aspect : spec.height,
        datasets: { ...spec.datasets, ...Object.fromEntries(rows) },
        params: [...params, ...(spec.params || [])],
      }, { mode: "vega-lite", config, actions: false, renderer: "svg",
        defaultStyle: false });
      for (const [pick, name] of Object.entries(picks)) {
        view.addSignalListener(pick, (_, chosen) => {
          const index = chosen[`${name}_index`];
          if (index && index.length) set(name, index[0]);
        });
      }
      new ResizeObserver(() => {
        const now = element.clientWidth;
        if (!now || now === view.width()) return;
        (aspect ? view.height(now * aspect) : view).width(now).runAsync();
      }).observe(element);
      element.querySelector("svg").ariaHidden = "true"; // the element has the label
      return view;
    };
    const start = async () => {
      await loadVega();
      const places = [...figure.querySelectorAll(".view")];
      views = await Promise.all(places.map((place, i) => embed(place, panels[i])));
      figure.classList.add("live");
      for (const name in controls) changed.add(name); // what moved meanwhile
      await (busy = redraw());
      figure.dataset.ready = "";
    };

    for (const name in controls) state[name] = controls[name].start;
    print();
    for (const input of inputs) {
      input.addEventListener("input", () => set(input.name, Number(input.value)));
    }
    figure.querySelector(".reset").addEventListener("click", reset);
    const watch = new IntersectionObserver((seen) => {
      if (!seen.some((entry) => entry.isIntersecting)) return; // not near yet
      watch.disconnect();
      start();
    }, { rootMargin: "300px" });
    watch.observe(figure);
    figure.explorable = { state, set, reset, rows: (name) => readers[name](state),
      get views() { return views; }, settled: async () => { while (busy) await busy; } };
  };

  window.learndynExplore = () => document
    .querySelectorAll("figure.explorable:not([data-mounted])").forEach(mount);
  window.learndynExplore();
})();
