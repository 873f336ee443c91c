/* The cover: gradient flow of ½(1 − w₂w₁)² along its hyperbolas w₂² − w₁² = const.
   A button, and the reader's preference for less motion, stop it. */
(() => {
  "use strict";
  const REACH = 1.9, DT = 0.008, COUNT = 320, LIFE = 360;
  const field = ([w1, w2]) => [(1 - w1 * w2) * w2, (1 - w1 * w2) * w1];
  const step = (w, dt) => { // Heun: second order
    const a = field(w), b = field([w[0] + dt * a[0], w[1] + dt * a[1]]);
    return [w[0] + dt * (a[0] + b[0]) / 2, w[1] + dt * (a[1] + b[1]) / 2];
  };
  const range = (n, f) => Array.from({ length: n }, (_, i) => f(i / (n - 1)));
  const hyperbola = (charge, sign) => range(121, (s) => {
    const u = 8 * (2 * s - 1) ** 3, v = sign * Math.sqrt(Math.abs(charge) + u * u);
    return charge > 0 ? [u, v] : [v, u];
  });
  const flow = [1.6, 0.5, 0.05, -0.05, -0.5, -1.6, -3.6, -6.8, -11, -17, -25, -35, -47]
    .flatMap((charge) => [hyperbola(charge, 1), hyperbola(charge, -1)]);
  const minima = [1, -1].map((sign) => range(81, (s) =>
    [sign * 0.3 * 40 ** s, sign / 0.3 / 40 ** s]));

  const mount = (canvas) => {
    const pen = canvas.getContext("2d"), button = canvas.nextElementSibling;
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let width = 1, height = 1, moving = !still.matches, visible = true, frame = 0;
    const wide = () => REACH * width / height, spread = () => 2 * Math.random() - 1;
    const born = (age) => ({ age, trail: [], w: [wide() * spread(), REACH * spread()] });
    let live = [];
    const draw = (points, color, alpha, thick) => {
      const scale = height / (2 * REACH);
      pen.beginPath();
      points.forEach(([w1, w2]) =>
        pen.lineTo(width / 2 + scale * w1, height / 2 - scale * w2));
      Object.assign(pen, { strokeStyle: color, globalAlpha: alpha, lineWidth: thick });
      pen.stroke();
    };
    const paint = () => {
      const { color, accentColor } = getComputedStyle(canvas);
      pen.clearRect(0, 0, width, height);
      flow.forEach((line) => draw(line, color, 0.14, 1));
      minima.forEach((line) => draw(line, color, 0.75, 1.5));
      for (const { trail, age } of live) {
        const fade = Math.min(1, age / 30, (LIFE - age) / 30);
        draw(trail, accentColor, 0.3 * fade, 1.5);
        draw(trail.slice(-9), accentColor, 0.8 * fade, 2);
      }
    };
    const advance = () => live.forEach((p, i) => {
      const near = Math.abs(1 - p.w[0] * p.w[1]) < 0.01; // arrived: fade away
      if ((p.age += near ? 6 : 1) >= LIFE) live[i] = born(0);
      p.trail = [...p.trail.slice(-29), p.w];
      p.w = step(p.w, DT);
    });
    const turn = () => {
      if (frame = moving && visible && requestAnimationFrame(turn)) advance();
      paint();
    };
    const go = (move) => {
      moving = move;
      button.textContent = moving ? "Pause" : "Play";
      frame || turn();
    };
    new ResizeObserver(() => {
      const dense = devicePixelRatio || 1;
      [width, height] = [canvas.clientWidth, canvas.clientHeight];
      Object.assign(canvas, { width: width * dense, height: height * dense });
      pen.scale(dense, dense);
      live = range(COUNT, (s) => born(Math.floor(s * (LIFE - 60))));
      for (let i = 0; i < 50; i++) advance(); // in mid-flow
      paint();
    }).observe(canvas);
    new IntersectionObserver(([seen]) => go(moving, visible = seen.isIntersecting))
      .observe(canvas);
    new MutationObserver(paint).observe(document.documentElement, { attributes: true });
    still.addEventListener("change", () => go(!still.matches));
    button.addEventListener("click", () => go(!moving));
    button.hidden = false;
  };
  window.learndynCover = { step };
  document.querySelectorAll("canvas.portrait").forEach(mount);
})();
