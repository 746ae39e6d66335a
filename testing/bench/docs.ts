// SPDX-License-Identifier: Apache-2.0
// Writes what was measured into docs/performance.md, between its markers, with its pictures beside it.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { slowTable, startsTable } from './aside.ts'
import { curvesTable } from './curves-table.ts'
import { goalsTable } from './goals.ts'
import { type Picture, pictures } from './plots.ts'
import { profileTable } from './profile-parts.ts'
import type { Report } from './report.ts'
import { costTable, latencyTable, memoryTable, ratesTable } from './table.ts'

const DOCS = join(import.meta.dirname, '../../docs')
const PAGE = join(DOCS, 'performance.md')
const FOLDER = join(DOCS, 'performance')
/** Where a run with `--docs` keeps its report. */
export const REPORT = join(FOLDER, 'results.json')

/** Pictures of what a section shows, by the beginning of their names. */
const CURVE_NAMES = /^(processes|sessions|luns|size)-/

/** The parts that are generated, by the name of their marker. */
function sections(report: Report, images: readonly Picture[]): Record<string, string> {
  const show = (some: readonly Picture[]): string =>
    some.map(({ name, title }) => `![${title}](performance/${name}.svg)`).join('\n')
  return {
    setting: settingText(report),
    goals: goalsTable(report),
    rates: ratesTable(report),
    pictures: show(images.filter(({ name }) => !CURVE_NAMES.test(name))),
    costs: costTable(report),
    latencies: latencyTable(report),
    memory: memoryTable(report),
    curves: [curvesTable(report.curves), show(images.filter(({ name }) => CURVE_NAMES.test(name)))].join(
      '\n\n',
    ),
    starts: startsTable(report.starts),
    slow: slowTable(report.slow),
    profile: report.profile === null ? '' : profileTable(report.profile),
  }
}

export function settingText({ setting, results, failures }: Report): string {
  const { generator, processor, cores, versions, folder, diskFolder, imageBytes, runs, seconds } = setting
  const disturbed = results.reduce((sum, result) => sum + result.disturbed, 0)
  const stayed = disturbed === 0 ? 'none was disturbed' : `${disturbed} runs stayed disturbed`
  return [
    `${cores} cores (${processor}); ${versions}. Load by ${generator}; images of ${imageBytes / 2 ** 20} MiB on ${folder}, of cold cases and those on a disk on ${diskFolder}; ` +
      `medians of ${runs} runs of ${seconds} s, ${stayed} by other processes.`,
    ...failures.map(line => `- Failed: ${line}`),
  ].join('\n')
}

/** The whole report as Markdown, for the terminal. */
export function markdown(report: Report): string {
  const parts = sections(report, [])
  const titles: Record<string, string> = {
    setting: '',
    goals: 'Goals:',
    rates: 'Rates († the load generator was at its limit), and ratios of lunkit to others:',
    costs: "The target's processor time a command, in microseconds:",
    latencies: '99th percentile of the latency, in microseconds:',
    memory: 'Resident memory of the target, in MiB:',
    curves: 'Against how much there is to do:',
    starts: 'Starts and idle sessions:',
    slow: 'A fast unit beside a slow one of its session, 4 KiB reads a second:',
    profile: 'Where the time of a command goes:',
  }
  return Object.entries(titles)
    .filter(([name]) => parts[name]!.trim() !== '')
    .map(([name, title]) => [title, parts[name]].filter(text => text !== '').join('\n\n'))
    .join('\n\n')
}

/** Writes the page's generated parts, and the pictures. */
export function writeDocs(report: Report): void {
  mkdirSync(FOLDER, { recursive: true })
  const images = pictures(report)
  for (const file of readdirSync(FOLDER)) if (file.endsWith('.svg')) rmSync(join(FOLDER, file))
  for (const { name, svg } of images) writeFileSync(join(FOLDER, `${name}.svg`), svg)
  writeFileSync(PAGE, fillMarkers(readFileSync(PAGE, 'utf8'), sections(report, images)))
}

/** `<!-- bench: NAME -->` up to `<!-- bench end -->` holds the part of that name. Throws an Error for a name without a part. */
export function fillMarkers(page: string, parts: Readonly<Record<string, string>>): string {
  return page.replace(
    /(<!-- bench: (\w+) -->\n)[\s\S]*?(<!-- bench end -->)/g,
    (_, begin: string, name: string, end: string) => {
      const part = parts[name]
      if (part === undefined)
        throw new Error(`docs/performance.md has a marker '${name}', which nothing is measured for`)
      return `${begin}\n${part === '' ? 'Not measured in this run.' : part}\n\n${end}`
    },
  )
}
