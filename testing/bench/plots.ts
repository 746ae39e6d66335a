// SPDX-License-Identifier: Apache-2.0
// The figures as pictures: SVG, drawn by echarts without a browser.
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { CASES, type Case } from './cases.ts'
import { amount } from './curves-table.ts'
import type { Run } from './measure.ts'
import type { Curve, Report } from './report.ts'
import { present } from './table.ts'

use([BarChart, LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])

export interface Picture {
  /** Of its file, without the ending. */
  readonly name: string
  readonly title: string
  readonly svg: string
}

interface Series {
  readonly name: string
  /** One a label; null where nothing was measured. */
  readonly values: readonly (number | null)[]
}

interface Drawing {
  readonly name: string
  readonly title: string
  readonly kind: 'line' | 'bar'
  readonly across: string
  readonly up: string
  readonly labels: readonly string[]
  readonly series: readonly Series[]
  /** Of the values; none may be zero. A power of ten is a step, as it is between the labels of most curves. */
  readonly isLogarithmic?: true
}

const SIZE = { width: 720, height: 380 }
/** Of each contestant the same in every picture: a palette that the colour-blind can tell apart. */
const COLOURS: Readonly<Record<string, string>> = {
  lunkit: '#d55e00',
  tgtd: '#0072b2',
  'tgtd-tuned': '#56b4e9',
  istgt: '#009e73',
  'istgt-tuned': '#8fce5a',
  limit: '#666666',
}

function draw({ name, title, kind, across, up, labels, series, isLogarithmic }: Drawing): Picture {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE })
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: series.map(one => COLOURS[one.name] ?? '#cc79a7'),
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 4, show: series.length > 1, itemGap: 26 },
    grid: { left: 84, right: 24, top: 44, bottom: (series.length > 1 ? 76 : 52) + (kind === 'bar' ? 12 : 0) },
    xAxis: {
      type: 'category',
      // Names of cases are long: one line a word.
      data: kind === 'bar' ? labels.map(label => label.replaceAll('-', '\n')) : labels,
      axisLabel: { interval: 0 },
      name: across,
      nameLocation: 'middle',
      nameGap: 28,
    },
    yAxis: {
      name: up,
      nameLocation: 'middle',
      nameGap: 62,
      ...(isLogarithmic === true ? { type: 'log' } : { type: 'value', min: 0 }),
    },
    series: series.map(one => ({
      name: one.name,
      type: kind,
      data: one.values,
      symbolSize: 7,
      lineStyle: { width: one.name === 'lunkit' ? 3 : 1.5, type: one.name === 'limit' ? 'dashed' : 'solid' },
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return { name, title, svg: `${svg}\n` }
}

interface CasePlot {
  readonly name: string
  readonly title: string
  readonly kind: Drawing['kind']
  readonly across: string
  readonly up: string
  readonly of: (run: Run) => number | null
  readonly cases: (one: Case) => boolean
  readonly label: (one: Case) => string | number
}

const isPlain = (one: Case): boolean =>
  one.store === 'file' &&
  one.sessions === 1 &&
  one.luns === 1 &&
  !one.onDisk &&
  one.digests === null &&
  one.depth !== 4
const of = (pattern: string, kib: number) => (one: Case) =>
  isPlain(one) && one.pattern === pattern && one.blockSize === kib * 1024

function byDepth(pattern: string, kib: number, words: string): CasePlot {
  const unit = pattern.startsWith('rand') ? 'commands a second' : 'MiB/s'
  const cases = of(pattern, kib)
  const title = `${words}, cached file`
  return {
    name: `${pattern}-${kib}k`,
    title,
    kind: 'line',
    across: 'commands under way',
    up: unit,
    of: run => run.rate,
    cases,
    label: one => one.depth,
  }
}

function bySessions(pattern: string, words: string): CasePlot {
  return {
    name: `${pattern}-sessions`,
    title: `${words} at depth 4 in each session`,
    kind: 'line',
    across: 'sessions',
    up: 'commands a second',
    of: run => run.rate,
    cases: one => one.pattern === pattern && one.depth === 4,
    label: one => one.sessions,
  }
}

const CASE_PLOTS: readonly CasePlot[] = [
  byDepth('randread', 4, 'Random reads of 4 KiB'),
  byDepth('randwrite', 4, 'Random writes of 4 KiB'),
  byDepth('read', 128, 'Sequential reads of 128 KiB'),
  byDepth('write', 128, 'Sequential writes of 128 KiB'),
  byDepth('read', 1024, 'Sequential reads of 1 MiB'),
  byDepth('write', 1024, 'Sequential writes of 1 MiB'),
  bySessions('randread', 'Random reads of 4 KiB'),
  bySessions('randwrite', 'Random writes of 4 KiB'),
  {
    name: 'special',
    title: 'Random 4 KiB at depth 32: a mix, a cold file, one on a disk, 64 LUNs',
    kind: 'bar',
    across: '',
    up: 'commands a second',
    of: run => run.rate,
    cases: one =>
      one.unit === 'IOPS' &&
      one.depth === 32 &&
      one.store === 'file' &&
      one.digests === null &&
      !isPlainButMix(one),
    label: one => one.name.replace('-4k-qd32', ''),
  },
  {
    name: 'cost',
    title: "The target's processor time a command",
    kind: 'bar',
    across: '',
    up: 'microseconds',
    of: run => run.cost,
    cases: one => isPlain(one) && one.blockSize === 4096 && one.depth === 32,
    label: one => one.name,
  },
  {
    name: 'stores',
    title: 'Null and memory stores, random 4 KiB',
    kind: 'bar',
    across: '',
    up: 'commands a second',
    of: run => run.rate,
    cases: one => one.store !== 'file' && one.unit === 'IOPS',
    label: one => one.name.replace('-4k', ''),
  },
  {
    name: 'digests',
    title: 'CRC32C over headers and data, 128 KiB at depth 8',
    kind: 'bar',
    across: '',
    up: 'MiB/s',
    of: run => run.rate,
    cases: one => one.digests !== null && one.unit === 'MiB/s',
    label: one => one.name.replace('-128k-qd8', ''),
  },
]

function isPlainButMix(one: Case): boolean {
  return isPlain(one) && one.pattern !== 'randrw'
}

interface CurvePlot {
  readonly curve: string
  readonly figure: string
  readonly title: string
  readonly across: string
  readonly up: string
  readonly isLogarithmic?: true
}

const CURVE_PLOTS: readonly CurvePlot[] = [
  {
    curve: 'processes',
    figure: 'rate',
    title: 'Random reads of 4 KiB from several processes',
    across: 'processes',
    up: 'commands a second',
  },
  {
    curve: 'processes',
    figure: 'memory',
    title: 'Resident memory of all processes, after load',
    across: 'processes',
    up: 'MiB',
  },
  {
    curve: 'sessions',
    figure: 'memory',
    title: 'Resident memory with idle sessions',
    across: 'sessions',
    up: 'MiB',
    isLogarithmic: true,
  },
  {
    curve: 'sessions',
    figure: 'idle',
    title: 'Processor time of idle sessions',
    across: 'sessions',
    up: 'percent of a core',
  },
  {
    curve: 'sessions',
    figure: 'cost',
    title: 'Processor time of a 4 KiB read, over all sessions',
    across: 'sessions',
    up: 'microseconds',
  },
  {
    curve: 'luns',
    figure: 'memory',
    title: 'Resident memory with LUNs',
    across: 'LUNs',
    up: 'MiB',
    isLogarithmic: true,
  },
  {
    curve: 'luns',
    figure: 'cost',
    title: 'Processor time of a 4 KiB read, over all LUNs',
    across: 'LUNs',
    up: 'microseconds',
  },
  {
    curve: 'size',
    figure: 'memory',
    title: 'Resident memory with a sparse disk',
    across: 'size of the disk',
    up: 'MiB',
  },
  {
    curve: 'size',
    figure: 'cost',
    title: 'Processor time of a 4 KiB read, all over the disk',
    across: 'size of the disk',
    up: 'microseconds',
  },
]

/** Of everything in the report that has a picture. */
export function pictures(report: Report): Picture[] {
  return [
    ...CASE_PLOTS.flatMap(plot => casePicture(plot, report)),
    ...CURVE_PLOTS.flatMap(plot => curvePicture(plot, report.curves)),
  ]
}

function casePicture({ cases, label, of: figure, ...rest }: CasePlot, { results }: Report): Picture[] {
  const columns = CASES.filter(cases).flatMap(one => {
    const result = results.find(found => found.case === one.name)
    return result === undefined ? [] : [{ label: String(label(one)), result }]
  })
  if (columns.length === 0) return []
  const series = present(columns.map(({ result }) => result)).map(name => ({
    name,
    values: columns.map(({ result }) =>
      result.medians[name] === undefined ? null : figure(result.medians[name]),
    ),
  }))
  return [draw({ ...rest, labels: columns.map(column => column.label), series })]
}

function curvePicture({ curve, figure, ...rest }: CurvePlot, curves: readonly Curve[]): Picture[] {
  const points = curves.find(({ name }) => name === curve)?.points ?? []
  if (points.length === 0) return []
  const series = [{ name: 'lunkit', values: points.map(({ figures }) => figures[figure] ?? null) }]
  return [
    draw({
      name: `${curve}-${figure}`,
      kind: 'line',
      labels: points.map(({ x }) => amount(curve, x)),
      series,
      ...rest,
    }),
  ]
}
