// SPDX-License-Identifier: Apache-2.0
// What an operator does with the tray of a drive while it is used.
import { type BackingStore, type MediumDrive, OperatorError } from '@lunkit/target-api'
import type { Core } from './core.ts'
import { LIMIT_MS, nameOf, quiesce } from './live-changes.ts'
import type { Unit } from './logical-unit.ts'

export interface MediumOptions {
  /** Also where an initiator prevents the removal of what is in the tray. */
  readonly force?: boolean
  /** How long commands under way may take to end before it is given up, with the tray open: 10 s if not given. */
  readonly limitMs?: number
}

/** Opens the tray, and takes the medium out and closes its store. Rejects with OperatorError. */
export async function ejectMedium(core: Core, unit: Unit, options: MediumOptions): Promise<void> {
  const drive = driveOf(unit)
  refusePrevented(unit, drive, options)
  await withOpenTray(core, unit, drive, options, () => {})
}

/**
 * Puts a medium into the tray, in the place of what is there, and closes it. Rejects with OperatorError, and the store is
 * still the caller's then.
 */
export async function insertMedium(
  core: Core,
  unit: Unit,
  medium: BackingStore,
  options: MediumOptions,
): Promise<void> {
  const drive = driveOf(unit)
  drive.check(medium)
  refusePrevented(unit, drive, options)
  await withOpenTray(core, unit, drive, options, () => drive.insert(medium))
}

/** Empties the tray: nobody closes it meanwhile, and commands that began with the medium end first. */
async function withOpenTray(
  core: Core,
  unit: Unit,
  drive: MediumDrive,
  { limitMs = LIMIT_MS }: MediumOptions,
  emptied: () => void,
): Promise<void> {
  drive.hold()
  try {
    await quiesce(core, unit, limitMs)
    const store = await drive.takeOut()
    await store?.close()
    emptied()
  } finally {
    drive.release()
  }
}

function refusePrevented(unit: Unit, drive: MediumDrive, { force = false }: MediumOptions): void {
  if (force || !drive.loaded || !unit.removalPrevented) return
  drive.requestRemoval()
  throw new OperatorError('REMOVAL_PREVENTED', `${nameOf(unit)}: an initiator uses the medium`, {
    hint: 'initiators were asked for it: try again in a moment, or take it from them (force)',
  })
}

function driveOf(unit: Unit): MediumDrive {
  const { drive } = unit.device
  if (drive !== undefined) return drive
  throw new OperatorError('NO_DRIVE', `${nameOf(unit)} is no drive whose medium can be changed`)
}
