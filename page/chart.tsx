/** Calls a second over time against the rate, with what stopped them: pauses, freezes, and orders of the API to wait. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { localTime, perSecond, plural } from './format.ts';
import type { TimelinePoint, TimelineView } from './wire.ts';

const heightPx = 200;

export function Chart({ timeline }: { timeline: TimelineView }) {
  const { of, points } = timeline;
  return (
    <section aria-labelledby="calls">
      <h2 id="calls">Calls a second{of === 'all' ? ', of all runs' : ''}</h2>
      {points.length === 0 ? (
        <p class="quiet">The chart begins when the page has looked twice.</p>
      ) : (
        <>
          <Plot points={points} />
          <p>{wordsOf(points)}</p>
          <p class="quiet legend" aria-hidden="true">
            <span class="key calls" /> calls <span class="key rate" /> rate <span class="key paused" /> paused{' '}
            <span class="key frozen" /> frozen <span class="key ordered" /> the API ordered a wait (429)
          </p>
        </>
      )}
    </section>
  );
}

/** The chart in words, for those who do not see it. */
function wordsOf(points: readonly TimelinePoint[]): string {
  const last = points.at(-1);
  const known = points.filter(({ calls }) => calls !== undefined);
  const most = Math.max(0, ...known.map(callsPerSecond));
  const ordered = points.reduce((all, point) => all + point.ordered, 0);
  const now = last?.calls === undefined ? 'not known' : perSecond(callsPerSecond(last));
  const rate = last?.rate === null || last === undefined ? 'no rate is set' : `the rate is ${perSecond(last.rate)}`;
  const waits = ordered === 0 ? '' : ` The API ordered a wait ${plural(ordered, 'time')}.`;
  return `Last: ${now}; at most ${perSecond(most)}; ${rate}.${waits}`;
}

function callsPerSecond({ fromMs, toMs, calls = 0 }: TimelinePoint): number {
  return toMs > fromMs ? (1000 * calls) / (toMs - fromMs) : 0;
}

function dataOf(points: readonly TimelinePoint[]): uPlot.AlignedData {
  const [first] = points;
  const all = first === undefined ? [] : [{ ...first, toMs: first.fromMs, calls: undefined, ordered: 0 }, ...points];
  return [
    all.map(({ toMs }) => toMs / 1000),
    all.map((point) => (point.calls === undefined ? null : callsPerSecond(point))),
    all.map(({ rate }) => rate),
  ];
}

function Plot({ points }: { points: readonly TimelinePoint[] }) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shown = useRef(points);
  shown.current = points;

  useEffect(() => {
    const parent = element.current;
    if (parent === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(
        optionsFor(parent, () => shown.current),
        dataOf(shown.current),
        parent,
      );
    };
    draw();
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: parent.clientWidth, height: heightPx }));
    resized.observe(parent);
    // The colours are taken from the style when it is drawn.
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    return () => {
      dark.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
    };
  }, []);

  useEffect(() => plot.current?.setData(dataOf(points)), [points]);
  return <div ref={element} class="plot" aria-hidden="true" />;
}

function optionsFor(parent: HTMLElement, points: () => readonly TimelinePoint[]): uPlot.Options {
  const style = getComputedStyle(parent);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour('quiet'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    space: 70,
  };
  const stepped = uPlot.paths.stepped?.({ align: -1 });
  const path = stepped === undefined ? {} : { paths: stepped };
  return {
    width: parent.clientWidth,
    height: heightPx,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most) * 1.1] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map(clock) },
      { ...axis, size: 48 },
    ],
    series: [
      {},
      { stroke: colour('done'), fill: colour('done-faint'), width: 1.5, points: { show: false }, ...path },
      { stroke: colour('text'), width: 1, dash: [5, 4], points: { show: false }, ...path },
    ],
    hooks: {
      drawClear: [(chart) => drawStops(chart, points(), colour)],
      draw: [(chart) => drawOrders(chart, points(), colour('dead'))],
    },
  };
}

function clock(seconds: number): string {
  return localTime(new Date(seconds * 1000).toISOString()).slice(11);
}

type Colour = (name: string) => string;

function drawStops(chart: uPlot, points: readonly TimelinePoint[], colour: Colour): void {
  const { ctx, bbox } = chart;
  for (const { fromMs, toMs, stop } of points) {
    if (stop === 'none') continue;
    const [from, to] = [chart.valToPos(fromMs / 1000, 'x', true), chart.valToPos(toMs / 1000, 'x', true)];
    ctx.fillStyle = colour(stop);
    ctx.fillRect(from, bbox.top, Math.max(1, to - from), bbox.height);
  }
}

function drawOrders(chart: uPlot, points: readonly TimelinePoint[], fill: string): void {
  const { ctx, bbox } = chart;
  const size = 6 * devicePixelRatio;
  ctx.fillStyle = fill;
  for (const { toMs, ordered } of points) {
    if (ordered === 0) continue;
    const x = chart.valToPos(toMs / 1000, 'x', true);
    ctx.beginPath();
    ctx.moveTo(x - size, bbox.top);
    ctx.lineTo(x + size, bbox.top);
    ctx.lineTo(x, bbox.top + 1.5 * size);
    ctx.fill();
  }
}
