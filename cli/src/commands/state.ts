// SPDX-License-Identifier: Apache-2.0
// `lunkit state`: what units keep between runs, as text; and how a damaged record is repaired or given up.
import { forgetRecord, type InspectedRecord, inspectRecords, repairRecord } from '@lunkit/target-state'
import { Command } from 'commander'
import { printJson } from '../output.ts'
import { defaultStateFolder } from '../state-folder.ts'

interface StateFlags {
  readonly state: string
  readonly json?: true
}

const HELP = `
A unit is named by its NAA. Its records are 'reservations' (persistent reservations that outlive the process), 'modes'
(saved mode pages) and 'unit' (names and clock that initiators set). Each is kept twice: 'backup' says that only the second copy is
whole, 'damaged' that neither is. A disk whose reservations are damaged stays NOT READY.
Repair and forget while the target is not running, then start it again. Give --state FOLDER wherever 'lunkit serve' was given it.
'lunkit info URL' tells the NAA of a unit.

  lunkit state ls
  lunkit state show 3a5f0c9d21b7e846
  lunkit state repair 3a5f0c9d21b7e846 reservations`

export function build(): Command {
  const state = new Command('state').addHelpText('after', HELP)
  const sub = (words: string, summary: string): Command =>
    state
      .command(words)
      .description(summary)
      .option('--state <folder>', 'where the records are', defaultStateFolder())
  sub('ls', 'list all records')
    .option('--json', 'as JSON')
    .action((flags: StateFlags) => list(flags))
  sub('show <unit>', 'print the records of a unit')
    .option('--json', 'as JSON')
    .action((unit: string, flags: StateFlags) => show(unit, flags))
  sub('repair <unit> <record>', 'write both copies anew from the one that is whole').action(
    (unit: string, record: string, { state: folder }: StateFlags) => repairRecord(folder, unit, record),
  )
  sub('forget <unit> <record>', 'take a record away').action(
    (unit: string, record: string, { state: folder }: StateFlags) => forgetRecord(folder, unit, record),
  )
  return state
}

async function list({ state, json }: StateFlags): Promise<void> {
  const records = await inspectRecords(state)
  if (json) return printJson(records)
  if (records.length === 0) process.stdout.write(`Nothing is kept in ${state}\n`)
  for (const { unit, name, condition } of records) {
    process.stdout.write(`${unit}  ${name.padEnd(12)}  ${condition}\n`)
  }
}

async function show(unit: string, { state, json }: StateFlags): Promise<void> {
  const records = await inspectRecords(state, unit)
  if (json) return printJson(records)
  if (records.length === 0) process.stdout.write(`Nothing is kept for ${unit} in ${state}\n`)
  for (const record of records) process.stdout.write(textOf(record))
}

function textOf({ name, condition, text, reason }: InspectedRecord): string {
  const head = condition === 'whole' ? name : `${name} (${condition}${reason === '' ? '' : `: ${reason}`})`
  return `${head}\n${(text ?? '').replaceAll(/^(?=.)/gm, '  ')}${text?.endsWith('\n') ? '' : '\n'}`
}
