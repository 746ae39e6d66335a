// SPDX-License-Identifier: Apache-2.0
// The curves as a table, and whether each keeps below a straight line.
import { CURVES, isLinear } from './curves.ts'
import type { Curve } from './report.ts'
import { table } from './table.ts'

/** The units of figures, by name. */
const UNITS: Readonly<Record<string, string>> = {
  memory: 'MiB',
  idle: '% of a core, idle',
  cost: 'µs a command',
  rate: 'commands a second',
}

const GIB = 2 ** 30

/** A point's place on a curve, in words. */
export function amount(curve: string, x: number): string {
  if (curve !== 'size') return x.toLocaleString('en')
  return x >= 1024 * GIB ? `${x / 1024 / GIB} TiB` : `${x / GIB} GiB`
}

export function curvesTable(curves: readonly Curve[]): string {
  return curves
    .map(({ name, points }) => {
      const names = Object.keys(points[0]?.figures ?? {})
      const rows = points.map(({ x, figures }) => [
        amount(name, x),
        ...names.map(figure => figures[figure]!.toLocaleString('en', { maximumFractionDigits: 1 })),
      ])
      const bounded = CURVES.find(row => row.name === name)?.bounded ?? []
      const steep = bounded.filter(figure => !isLinear(points, figure))
      const verdict =
        bounded.length === 0
          ? ''
          : steep.length === 0
            ? 'None grows faster than linearly.'
            : `Faster than linear: ${steep.join(', ')}.`
      const head = [name, ...names.map(figure => `${figure}, ${UNITS[figure] ?? ''}`)]
      return [table(head, rows), verdict].filter(text => text !== '').join('\n\n')
    })
    .join('\n\n')
}
