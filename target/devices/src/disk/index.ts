// SPDX-License-Identifier: Apache-2.0
// The disk: its parameters, its command set, and how one is opened.
import { DeviceType as Peripheral, type ProtectionType } from '@lunkit/spec'
import {
  type BackingStore,
  type Binding,
  type Device,
  type DeviceType,
  OperatorError,
  type ParameterTable,
  type ParameterValues,
} from '@lunkit/target-api'
import { bufferCommands } from '../primary/buffers.ts'
import { diagnostics } from '../primary/diagnostics.ts'
import { identifyingInformation } from '../primary/identifying-information.ts'
import { inquiry } from '../primary/inquiry.ts'
import { logSelect } from '../primary/log-select.ts'
import { logSense } from '../primary/log-sense.ts'
import { readMediaSerialNumber } from '../primary/media-serial-number.ts'
import { modeSelects } from '../primary/mode-select.ts'
import { modeSenses } from '../primary/mode-sense.ts'
import { preventAllowMediumRemoval } from '../primary/prevent-removal.ts'
import { reportLuns } from '../primary/report-luns.ts'
import { reportSupportedOperationCodes } from '../primary/report-opcodes.ts'
import { reportSupportedTaskManagementFunctions } from '../primary/report-task-management.ts'
import { requestSense } from '../primary/request-sense.ts'
import { persistentReserveIns } from '../primary/reservations/reserve-in.ts'
import { persistentReserveOuts } from '../primary/reservations/reserve-out.ts'
import { reserveReleases } from '../primary/reservations/reserve-release.ts'
import { startStopUnit } from '../primary/start-stop.ts'
import { targetPortGroups } from '../primary/target-port-groups.ts'
import { testUnitReady } from '../primary/test-unit-ready.ts'
import { timestamps } from '../primary/timestamp.ts'
import { compareAndWrite } from './commands/compare-and-write.ts'
import { formatUnit } from './commands/format-unit.ts'
import { lbaStatuses } from './commands/get-lba-status.ts'
import { orWrite16 } from './commands/orwrite.ts'
import { preFetches } from './commands/pre-fetch.ts'
import { reads } from './commands/read.ts'
import { capacities } from './commands/read-capacity.ts'
import { defectLists } from './commands/read-defect-data.ts'
import { reassignBlocks } from './commands/reassign-blocks.ts'
import {
  sanitizeBlockErase,
  sanitizeCryptographicErase,
  sanitizeExitFailureMode,
  sanitizeOverwrite,
} from './commands/sanitize.ts'
import { seeks } from './commands/seek.ts'
import { synchronizations } from './commands/synchronize-cache.ts'
import { unmap } from './commands/unmap.ts'
import { verifies } from './commands/verify.ts'
import { writes } from './commands/write.ts'
import { atomicWrites } from './commands/write-atomic.ts'
import { writeSames } from './commands/write-same.ts'
import { copiesByList } from './copy/extended-copy.ts'
import { tokenCopies } from './copy/token-copy.ts'
import { receiveRodTokenInformation } from './copy/token-information.ts'
import { canDestroy, canErase, canUnmap, Disk, type DiskOptions } from './disk.ts'
import { withProtection } from './protection/bindings.ts'
import { GuardedStore } from './protection/guarded-store.ts'
import { Protection } from './protection/protection.ts'
import { openTags, tagBytes } from './protection/tag-store.ts'
import { reportReferrals } from './referrals.ts'

const SIZES = [512, 1024, 2048, 4096] as const

const parameters = {
  block: { type: 'size', help: 'Logical block size in bytes', choices: SIZES, initial: 512 },
  physical: {
    type: 'size',
    help: 'Physical block size in bytes, at least the logical one',
    choices: SIZES,
    initial: 4096,
  },
  readonly: { type: 'boolean', help: 'Refuse every write', initial: false },
  removable: { type: 'boolean', help: 'The medium can be ejected and loaded', initial: false },
  wce: {
    type: 'boolean',
    help: 'Write cache on at first, where the store has one; off makes every write durable at once',
    initial: true,
  },
  rotation: {
    type: 'integer',
    help: 'Turns a minute (1025 to 65534), 1 for a disk that does not turn, 0 to say nothing',
    initial: 1,
  },
  cdb: {
    type: 'integer',
    help: 'Longest CDB in bytes; 16 leaves out the 32-byte commands, for initiators that stumble over them',
    choices: [16, 32],
    initial: 32,
  },
  protection: {
    type: 'integer',
    help: 'Keep protection information of this type (1 to 3), or be ready to be formatted with it (0); tells of new tags only, those that are there have their type',
    choices: [0, 1, 2, 3],
  },
  tags: { type: 'path', help: 'File for protection information: PATH.pi beside the disk if not given' },
} as const satisfies ParameterTable

export const device: DeviceType = {
  apiVersion: 1,
  name: 'disk',
  peripheralType: Peripheral.disk,
  parameters,
  bindings: [
    testUnitReady,
    requestSense,
    inquiry,
    reportLuns,
    ...modeSenses,
    ...modeSelects,
    logSense,
    logSelect,
    ...diagnostics,
    ...bufferCommands,
    readMediaSerialNumber,
    reportSupportedOperationCodes,
    reportSupportedTaskManagementFunctions,
    ...targetPortGroups,
    ...identifyingInformation,
    ...timestamps,
    reportReferrals,
    startStopUnit,
    preventAllowMediumRemoval,
    ...persistentReserveIns,
    ...persistentReserveOuts,
    ...reserveReleases,
    ...capacities,
    ...reads,
    ...writes,
    ...verifies,
    ...writeSames,
    ...atomicWrites,
    compareAndWrite,
    orWrite16,
    unmap,
    ...synchronizations,
    ...preFetches,
    ...lbaStatuses,
    ...copiesByList,
    ...seeks,
    ...defectLists,
    ...tokenCopies,
    receiveRodTokenInformation,
    reassignBlocks,
    formatUnit,
    sanitizeOverwrite,
    sanitizeBlockErase,
    sanitizeCryptographicErase,
    sanitizeExitFailureMode,
  ],
  besideBytes: (store, values) =>
    values['protection'] === undefined ? 0 : tagBytes(Math.floor(store.size / optionsOf(values).block)),
  open,
}

/** Commands whose promise a disk on some stores cannot keep: no UNMAP where nothing is taken back, for example. */
const IMPOSSIBLE: readonly {
  readonly on: (store: BackingStore) => boolean
  readonly commands: readonly Binding[]
}[] = [
  { on: store => !canUnmap(store), commands: [unmap] },
  { on: store => !canErase(store), commands: [sanitizeBlockErase] },
  { on: store => !canDestroy(store), commands: [sanitizeCryptographicErase] },
  { on: store => (store.atomicWrite ?? 0) === 0, commands: atomicWrites },
  // A token would name one initiator's data to another, who has others at the same place.
  { on: store => store.perNexus === true, commands: [...tokenCopies, receiveRodTokenInformation] },
]

/** By what is left out of them: disks with the same commands are of one type, and share what the engine makes of it. */
const types = new Map<string, DeviceType>()

function typeOn(store: BackingStore, values: ParameterValues, tagged: boolean): DeviceType {
  const longest = Number(values['cdb'] ?? parameters.cdb.initial)
  const left = IMPOSSIBLE.map(({ on }) => on(store))
  const key = [longest, tagged, ...left].join()
  const known = types.get(key)
  if (known !== undefined) return known
  const impossible = new Set(IMPOSSIBLE.flatMap(({ commands }, row) => (left[row] ? commands : [])))
  const bindings = device.bindings.filter(one => !impossible.has(one) && one.command.length <= longest)
  const type = { ...device, bindings: tagged ? withProtection(bindings) : bindings }
  types.set(key, type)
  return type
}

async function open(
  store: BackingStore | null,
  values: ParameterValues,
  tags: BackingStore | null = null,
): Promise<Device> {
  if (store === null) {
    throw new OperatorError('STORE_MISSING', 'A disk needs a store for its blocks', {
      hint: 'name a file, or a store such as memory:1G',
    })
  }
  const options = optionsOf(values)
  checkSize(store, options)
  if (values['protection'] === undefined) return new Disk(typeOn(store, values, false), store, options)
  const guarded = await guard(store, tags, options.block, values['protection'] as ProtectionType)
  return new Disk(typeOn(guarded, values, true), guarded, options, guarded.protection)
}

async function guard(
  store: BackingStore,
  tags: BackingStore | null,
  block: number,
  type: ProtectionType,
): Promise<GuardedStore> {
  if (store.perNexus === true) {
    throw new OperatorError(
      'TAGS_PER_NEXUS',
      'Disk: tags are of the unit, and its blocks of each initiator',
      {
        hint: 'leave away protection=, or per=initiator',
      },
    )
  }
  if (tags === null) {
    throw new OperatorError('TAGS_MISSING', 'Disk: protection information needs a store of its own', {
      hint: 'name a file with tags=',
    })
  }
  const formatted = await openTags(tags, type, block, store.size / block)
  return new GuardedStore(store, tags, new Protection(block, formatted))
}

function optionsOf(values: ParameterValues): DiskOptions {
  const value = (name: keyof typeof parameters) =>
    values[name] ?? (parameters as ParameterTable)[name]!.initial!
  const options = {
    block: sizeOf('block', value('block')),
    physical: sizeOf('physical', value('physical')),
    readonly: value('readonly') === true,
    removable: value('removable') === true,
    writeCache: value('wce') === true,
    rotation: Number(value('rotation')),
  }
  if (options.physical < options.block) {
    throw new OperatorError(
      'PHYSICAL_BELOW_BLOCK',
      `Disk: a physical block of ${options.physical} bytes cannot hold a logical block of ${options.block}`,
      { hint: `give physical=${options.block} or more` },
    )
  }
  if (!isRotation(options.rotation)) {
    throw new OperatorError('ROTATION_VALUE', `Disk: ${options.rotation} is no value for 'rotation'`, {
      hint: 'give 1025 to 65534 turns a minute, 1 for none, or 0 to say nothing',
    })
  }
  return options
}

function sizeOf(name: string, value: string | number | boolean): number {
  if (SIZES.some(size => size === value)) return Number(value)
  throw new OperatorError('BLOCK_SIZE', `Disk: '${value}' is no value for '${name}'`, {
    hint: `give one of ${SIZES.join(', ')}`,
  })
}

/** NOMINAL ROTATION RATE (SBC-4 Block Device Characteristics VPD page): what is between is reserved. */
const isRotation = (rate: number): boolean =>
  rate === 0 || rate === 1 || (Number.isInteger(rate) && rate > 0x400 && rate < 0xffff)

function checkSize(store: BackingStore, { block }: DiskOptions): void {
  const { size } = store
  const identity = store.identity === '' ? 'its store' : store.identity
  if (size === 0) {
    throw new OperatorError('STORE_EMPTY', `Disk: ${identity} is empty`, {
      hint: 'give it a size, such as size=10G',
    })
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new OperatorError('STORE_TOO_LARGE', `Disk: ${identity} has more bytes than 2^53`, {
      hint: 'serve a smaller store',
    })
  }
  if (size % block !== 0) {
    // Never shorter: what is behind the last block may be somebody's.
    const longer = `make it ${size - (size % block) + block} bytes long`
    const { note = '' } = store
    throw new OperatorError(
      'STORE_SIZE',
      `Disk: the ${size} bytes of ${identity} are no multiple of the block of ${block}`,
      {
        hint: note === '' ? longer : `${note}; if it is a disk as it is, ${longer}`,
      },
    )
  }
}
