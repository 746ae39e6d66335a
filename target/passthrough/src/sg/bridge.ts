// SPDX-License-Identifier: Apache-2.0
// The bridge `sg`: SCSI devices of this Linux machine, by the path of a file in /dev.
import { fileTrouble, OperatorError, type ParameterValues } from '@lunkit/target-api'
import type { OpenedBridge } from '../opener.ts'
import { MOST_COMMANDS } from './header.ts'
import { type SgCalls, sgCalls } from './linux-sg.ts'
import { SeveralFiles } from './several-files.ts'
import { SgUnit } from './unit.ts'
import { mayReset, type Roots, type UnitHere, unitAt, unitsHere } from './units-here.ts'

/** Opens the device that `where` names, with the keys of `SG_KEYS`. Rejects with OperatorError, also without koffi. */
export const openSg = async (where: string, values: ParameterValues): Promise<OpenedBridge> =>
  openSgWith(await sgCalls(), where, values['force'] === true)

/**
 * `path`: a SCSI generic file, or a disk's, drive's or tape's. Rejects with OperatorError: no SCSI device, in use, not permitted.
 * `roots`: where the kernel tells of its devices, if not in /sys and /proc.
 */
export async function openSgWith(
  linux: SgCalls,
  path: string,
  force: boolean,
  roots?: Roots,
): Promise<OpenedBridge> {
  const unit = await unitAt(path, roots)
  if (unit.usedBy !== '' && !force) {
    throw new OperatorError('SG_IN_USE', `'${path}' is in use here: ${unit.disk} is ${unit.usedBy}`, {
      hint: 'unmount it, or say force=yes: two that write to one disk destroy its data',
    })
  }
  if (isOffline(unit)) {
    throw new OperatorError('SG_OFFLINE', `'${path}' cannot be used: ${OFFLINE}`, {
      hint: `see the kernel's log; 'echo running > /sys/class/scsi_device/${unit.address}/device/state' has it tried again`,
    })
  }
  const depth = Math.min(unit.depth, DEEPEST)
  const calls = new SeveralFiles(linux, Math.ceil(depth / MOST_COMMANDS))
  const fd = await open(calls, unit.path)
  const maxTransfer = calls.maxTransfer(fd)
  const resets = await mayReset(roots)
  const bridge = new SgUnit(calls, unit.path, fd, () => find(unit, roots), depth)
  return {
    bridge,
    identity: unit.identity,
    maxTransfer,
    longestCdb: LONGEST_CDB,
    ...(!resets && { note: `${unit.path}: ${NO_RESETS}` }),
    close: async () => bridge.close(),
  }
}

const NO_RESETS =
  'resets do not reach it, since that takes root; commands end by themselves, or by their time limit'

const OFFLINE = 'Linux has set it offline after errors'
const isOffline = ({ state }: UnitHere): boolean => state.endsWith('offline')

/** Most commands that are under way at once, whatever the adapter takes. */
const DEEPEST = 64
/** Most adapters of today have CDBs of 32 bytes; where one has not, Linux ends the command. */
const LONGEST_CDB = 32

const NO_RIGHT = 'run lunkit as root, or as a user who may write to that file'
const HINTS: Readonly<Record<string, string>> = {
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EBUSY: 'another program has it for itself',
}

function open(calls: SgCalls, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    calls.open(path, (failure, fd) => {
      if (failure === '') return resolve(fd)
      const hint = HINTS[failure] ?? "'lunkit devices' lists the ones of this machine"
      reject(new OperatorError('SG_OPEN', `'${path}' cannot be opened: ${fileTrouble(failure)}`, { hint }))
    })
  })
}

/**
 * Where the unit is now, under its old name or another one. What this machine itself has got from lunkit looks the same, but comes by
 * another driver.
 */
async function find({ path, identity, adapter }: UnitHere, roots?: Roots): Promise<string> {
  const all = await unitsHere(roots)
  const same = all.filter(unit => unit.identity === identity && unit.adapter === adapter)
  const found = same.find(unit => unit.path === path) ?? same[0]
  if (found === undefined) throw new Error('it is away')
  if (isOffline(found)) throw new Error(OFFLINE)
  return found.path
}
