// SPDX-License-Identifier: Apache-2.0
// What an operator sees of the records and may do to them, while the target that uses them is not running.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OperatorError, type RecordName } from '@lunkit/target-api'
import { recordFiles } from './record-files.ts'
import { RECORDS } from './record-text.ts'
import { checkStateFolder } from './state-folder.ts'
import { type Copies, readCopies, replaceCopies } from './two-copies.ts'

/** One record of one unit; `unit` is its NAA in hex. */
export interface InspectedRecord extends Copies {
  readonly unit: string
  readonly name: RecordName
}

/** All records of all units, or of one; none if there is no such folder. */
export async function inspectRecords(state: string, unit: string | null = null): Promise<InspectedRecord[]> {
  await checkStateFolder(state)
  const units = unit === null ? await unitsOf(state) : [checkUnit(unit)]
  const all: InspectedRecord[] = []
  for (const one of units) {
    for (const name of RECORDS) {
      const copies = await readCopies(recordFiles, join(state, one), name)
      if (copies.condition !== 'absent') all.push({ unit: one, name, ...copies })
    }
  }
  return all
}

async function unitsOf(state: string): Promise<string[]> {
  try {
    return (await readdir(state)).filter(isUnit).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

const isUnit = (name: string): boolean => /^([0-9a-f]{16}|[0-9a-f]{32})$/.test(name)

function checkUnit(unit: string): string {
  const hex = unit.toLowerCase().replace(/^0x/, '')
  if (isUnit(hex)) return hex
  throw new OperatorError('STATE_UNIT', `'${unit}' is no unit`, {
    hint: "give its NAA as 'lunkit state ls' shows it, 16 or 32 hex digits",
  })
}

function checkName(name: string): RecordName {
  const found = RECORDS.find(one => one === name)
  if (found !== undefined) return found
  throw new OperatorError('STATE_RECORD', `'${name}' is no record`, { hint: `give ${RECORDS.join(', ')}` })
}

/** Writes both copies anew from the one that is whole. Throws OperatorError if none is. */
export async function repairRecord(state: string, unit: string, name: string): Promise<void> {
  const folder = join(state, checkUnit(unit))
  const record = checkName(name)
  const { text, condition } = await readCopies(recordFiles, folder, record)
  if (condition === 'absent') throw missing(state, folder, record)
  if (text === null) {
    throw new OperatorError('STATE_LOST', `Neither copy of '${record}' in ${folder} is whole`, {
      hint: `put a good copy there, or give it up: lunkit state forget --state '${state}' ${unit} ${record}`,
    })
  }
  await replaceCopies(recordFiles, folder, record, text, text)
}

/** Takes the record away, whatever it says. Throws OperatorError if there is none. */
export async function forgetRecord(state: string, unit: string, name: string): Promise<void> {
  const folder = join(state, checkUnit(unit))
  const record = checkName(name)
  const { text, condition } = await readCopies(recordFiles, folder, record)
  if (condition === 'absent') throw missing(state, folder, record)
  await replaceCopies(recordFiles, folder, record, null, text)
}

function missing(state: string, folder: string, name: string): OperatorError {
  return new OperatorError('FILE_MISSING', `There is no record '${name}' in ${folder}`, {
    hint: `see what there is: lunkit state ls --state '${state}'`,
  })
}
