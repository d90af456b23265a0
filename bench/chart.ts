/** The ratios as a picture: a group of bars for each case, its main peer being 1. SVG, made by hand. */
import { type Figure, OURS, type ServerName, serverOf } from './cases.js';
import { type Result, ratio, times } from './figures.js';

const WIDTH = 820;
/** Where bars begin and where the longest ends; the value stands behind it. */
const LEFT = 170;
const RIGHT = 760;
const BAR = 11;
const PITCH = 14;
const TITLE = 22;
const GAP = 12;
const HEADING = 34;

const STYLE = `
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #656d76; --line: #d0d7de; --ours: #0969da; --net: #80b3e8; --peer: #9aa3ad; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --soft: #8d96a0; --line: #30363d; --ours: #58a6ff; --net: #2f5f94; --peer: #6e7681; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink); }
  .heading { font-size: 15px; font-weight: 600; }
  .title { font-weight: 600; }
  .label, .value { font-size: 11px; }
  .label { fill: var(--soft); text-anchor: end; }
  .paper { fill: var(--paper); }
  .one { stroke: var(--line); }
  .peer { fill: var(--peer); }
  .net { fill: var(--net); }
  .epoll { fill: var(--ours); }
  .c { fill: none; stroke: var(--soft); stroke-dasharray: 3 2; }`;

interface Panel {
  readonly heading: string;
  readonly figure: Figure;
  readonly results: readonly Result[];
}

/** @returns the picture, without those figures that no case has */
export function chart(results: readonly Result[]): string {
  const of = (kind: Result['plan']['kind']) => results.filter(({ plan }) => plan.kind === kind);
  const panels: Panel[] = [
    {
      heading: 'Answers per second, the first of each group being 1; C is what the machine allows',
      figure: 'perSecond',
      results: of('throughput'),
    },
    {
      heading: 'Memory per idle connection (RSS after GC), the first being 1; here less is better',
      figure: 'rss',
      results: of('idle'),
    },
  ];
  let y = GAP;
  const drawn: string[] = [];
  for (const panel of panels.filter(each => each.results.length > 0)) {
    const { svg, height } = draw(panel, y);
    drawn.push(svg);
    y += height;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">`,
    `<title>esp-httpd beside its peers</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="paper" width="${WIDTH}" height="${y}"/>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function draw({ heading, figure, results }: Panel, top: number): { svg: string; height: number } {
  // C says what the machine allows; where that is beyond the others, its bar ends at the margin
  const shown = results.flatMap(result =>
    result.plan.servers.filter(name => name !== 'c').map(name => toMainPeer(result, figure, name)),
  );
  const unit = (RIGHT - LEFT) / Math.max(1, ...shown);
  const parts = [text('heading', GAP, top + 16, heading)];
  let y = top + HEADING;
  for (const result of results) {
    parts.push(text('title', LEFT, y + 12, result.plan.title));
    y += TITLE;
    const first = y;
    for (const name of result.plan.servers) {
      parts.push(bar(name, toMainPeer(result, figure, name), unit, y));
      y += PITCH;
    }
    const one = round(LEFT + unit);
    parts.push(`<line class="one" x1="${one}" x2="${one}" y1="${first - 2}" y2="${y}"/>`);
    y += GAP;
  }
  return { svg: parts.join('\n'), height: y - top + GAP };
}

function toMainPeer(result: Result, figure: Figure, name: ServerName): number {
  return ratio(result, figure, name, result.plan.servers[0]) ?? 0;
}

function bar(name: ServerName, value: number, unit: number, y: number): string {
  const length = Math.min(Math.max(1, value * unit), RIGHT - LEFT);
  const beyond = value * unit > length + 1 ? '… ' : '';
  const kind = name === OURS || name === 'net' || name === 'c' ? name : 'peer';
  return [
    text('label', LEFT - 6, y + 9, serverOf(name).label),
    `<rect class="${kind}" x="${LEFT}" y="${y}" width="${round(length)}" height="${BAR}"/>`,
    text('value', LEFT + length + 5, y + 9, beyond + times(value)),
  ].join('\n');
}

function text(kind: string, x: number, y: number, words: string): string {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${kind}" x="${round(x)}" y="${y}">${safe}</text>`;
}

function round(n: number): string {
  return String(Math.round(n * 10) / 10);
}
