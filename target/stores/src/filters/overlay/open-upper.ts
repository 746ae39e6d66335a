// SPDX-License-Identifier: Apache-2.0
// Opens or makes the file of an overlay, and those that it goes on from; refuses what belongs to something else.
import { randomUUID } from 'node:crypto'
import { readFile, realpath, stat, unlink } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { type BackingStore, OperatorError, StoreError } from '@lunkit/target-api'
import type { FileStore } from '../../file/file-store.ts'
import { openFile } from '../../file/open-file.ts'
import { ask } from './ask.ts'
import { FileChanges } from './file-changes.ts'
import {
  BOOT_AT,
  fileBytes,
  HEADER_BYTES,
  type Header,
  headerBytes,
  noteBytes,
  readHeader,
  readNote,
  readSizes,
  type Sizes,
  STATE_AT,
} from './file-format.ts'
import { isGrain } from './grain-map.ts'

export interface UpperOptions {
  readonly below: BackingStore
  /** Bytes of a grain, where the file is made. */
  readonly grain: number
  /** The store below is the same at another place. */
  readonly moved?: boolean
  /** Frozen changes that a new file goes on from: opened, or their file. */
  readonly parent?: FileChanges
  readonly from?: string
}

/** Files on top of each other. */
const MOST = 64
/** Whatever id it has. */
const ANY = ''

/** The changes in the file, and below them those that it goes on from. Rejects with OperatorError, and leaves nothing open. */
export async function openUpper(path: string, options: UpperOptions): Promise<FileChanges[]> {
  try {
    return await openLayers(path, options)
  } catch (error) {
    // The hints of a file are those for images.
    if (!(error instanceof OperatorError) || !error.code.startsWith('FILE_')) throw error
    const hint =
      'name another file with upper= (and from=), in a directory that is there and may be written to'
    throw new OperatorError(error.code, error.message, { hint, cause: error })
  }
}

async function openLayers(path: string, options: UpperOptions): Promise<FileChanges[]> {
  if (await isNew(path)) {
    if (options.from === undefined) return [await create(path, options)]
    const frozen = await openChain(options.from, options, ANY)
    try {
      return [await create(path, { ...options, parent: frozen[0]! }), ...frozen]
    } catch (error) {
      for (const layer of frozen) await layer.data.close()
      throw error
    }
  }
  if (options.parent !== undefined) {
    throw new OperatorError('OVERLAY_EXISTS', `'${path}' exists already`, {
      hint: 'name a new file for the changes from now on',
    })
  }
  const layers = await openChain(path, options, null)
  const from = layers[1]?.data.identity
  if (options.from === undefined || from === `file:${await realpath(options.from).catch(() => '')}`)
    return layers
  for (const layer of layers) await layer.data.close()
  throw new OperatorError(
    'OVERLAY_EXISTS',
    `'${path}' exists already, and does not go on from '${options.from}'`,
    {
      hint: 'leave away from=, or name a new file with upper=',
    },
  )
}

/** Nothing is in it: it does not exist, is empty, or its making was cut short. */
async function isNew(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => null)
  if (stats === null || (stats.isFile() && stats.size === 0)) return true
  if (!stats.isFile() || stats.size !== HEADER_BYTES) return false
  return (await readFile(path)).every(byte => byte === 0)
}

async function create(path: string, { below, grain, parent }: UpperOptions): Promise<FileChanges> {
  const existed = await stat(path).then(
    () => true,
    () => false,
  )
  const data = await openFile({ path, size: HEADER_BYTES })
  try {
    const from = parent?.data.identity.replace(/^file:/, '')
    const header: Header = {
      grain: parent?.header.grain ?? grain,
      size: parent?.sizes.size ?? below.size,
      base: below.identity,
      baseSize: below.size,
      id: randomUUID(),
      ...(from !== undefined && {
        parent: { path: relative(dirname(realPathOf(data)), from), id: parent!.header.id },
      }),
    }
    await write(path, data, 0, headerBytesOf(path, header))
    await data.resize(fileBytes(header.size, header.grain))
    await write(path, data, BOOT_AT, noteBytes(await bootId()))
    return new FileChanges(path, data, header)
  } catch (error) {
    await data.close()
    if (!existed) await unlink(path).catch(() => undefined)
    throw error
  }
}

/** `first` is what its top has to be, as `wanted` in `take`. */
async function openChain(path: string, options: UpperOptions, first: string | null): Promise<FileChanges[]> {
  const layers: FileChanges[] = []
  try {
    let at = path
    let wanted = first
    for (;;) {
      const data = await openFile({ path: at, readonly: wanted !== null })
      layers.push(await take(at, data, wanted, options))
      const { state, header } = layers.at(-1)!
      if (header.grain !== layers[0]!.header.grain)
        throw damaged(at, 'has grains of another size than what goes on from it')
      if (header.parent === undefined || state === 'alone') return layers
      if (layers.length === MOST) throw damaged(path, `goes on from more than ${MOST} others`)
      wanted = header.parent.id
      at = resolve(dirname(realPathOf(data)), header.parent.path)
    }
  } catch (error) {
    for (const layer of layers) await layer.data.close()
    throw error
  }
}

/** `wanted`: the id that it has to have, as a frozen one that another goes on from; null for the one on top. */
async function take(
  path: string,
  data: FileStore,
  wanted: string | null,
  options: UpperOptions,
): Promise<FileChanges> {
  try {
    const bytes = Buffer.alloc(Math.min(data.size, HEADER_BYTES))
    const { error } = await ask(data, 'read', { bytes })
    if (error !== StoreError.none) throw damaged(path, 'cannot be read')
    const header = readHeader(bytes)
    if (header === null) {
      throw new OperatorError('OVERLAY_NONE', `'${path}' is no overlay's file`, {
        hint: 'name a new file with upper=; this one stays as it is',
      })
    }
    if (header === 'damaged') throw damaged(path, 'is damaged: its header is not as it was written')
    checkShape(path, header)
    const sizes = readSizes(bytes, header)
    if (sizes === null || !isGrain(header.grain, sizes.size))
      throw damaged(path, 'is damaged: its sizes make no sense')
    checkBase(path, header.base, sizes, options)
    const state = readNote(bytes, STATE_AT)
    checkState(path, header, state, wanted)
    // Cut when it was cleared, and not made long again.
    const least = fileBytes(sizes.size, header.grain)
    if (data.size === HEADER_BYTES && wanted === null) await data.resize(least)
    if (data.size < least) throw damaged(path, 'is cut short')
    const changes = new FileChanges(path, data, header, state, sizes)
    const boot = await bootId()
    const sameBoot = boot !== '' && readNote(bytes, BOOT_AT) === boot
    await changes.load(sameBoot && wanted === null)
    if (wanted === null && !sameBoot) {
      const flushed = await ask(data, 'flush')
      if (flushed.error !== StoreError.none) throw damaged(path, 'cannot be written')
      await write(path, data, BOOT_AT, noteBytes(boot))
    }
    return changes
  } catch (error) {
    await data.close()
    throw error
  }
}

/** Whoever can write a checksum may have written anything. */
function checkShape(path: string, { grain, size, id, base }: Header): void {
  const texts = typeof id === 'string' && typeof base === 'string'
  if (texts && isGrain(grain, size)) return
  throw damaged(path, 'is damaged: its header makes no sense')
}

function checkBase(
  path: string,
  base: string,
  { size, baseSize }: Sizes,
  { below, moved }: UpperOptions,
): void {
  // A commit that was cut short may have made it as long as the overlay is.
  if (baseSize !== below.size && (size !== below.size || size < baseSize)) {
    throw new OperatorError(
      'OVERLAY_BASE',
      `Overlay '${path}' belongs to a disk of ${baseSize} bytes, not ${below.size}`,
      { hint: `its base was '${base}'; name another file with upper= for this one` },
    )
  }
  if (base === below.identity || moved === true) return
  throw new OperatorError(
    'OVERLAY_BASE',
    `Overlay '${path}' belongs to '${base}', not to '${below.identity}'`,
    { hint: 'name another file with upper=; if it is the same data at another place, add moved=yes' },
  )
}

function checkState(path: string, header: Header, state: string, wanted: string | null): void {
  if (wanted === null && state === 'frozen') {
    throw new OperatorError('OVERLAY_FROZEN', `Overlay '${path}' is frozen: another file goes on from it`, {
      hint: 'give upper= that file, or give from= this one and upper= a new one',
    })
  }
  if (wanted === ANY && state !== 'frozen') {
    throw new OperatorError('OVERLAY_FROZEN', `Overlay '${path}' is not frozen: it may still be written to`, {
      hint: 'name the file that was written to before the snapshot; where there is none yet, serve this one and make a snapshot',
    })
  }
  if (wanted !== null && ((wanted !== ANY && header.id !== wanted) || state !== 'frozen'))
    throw damaged(path, 'is not what it was when another file went on from it')
}

const damaged = (path: string, what: string): OperatorError =>
  new OperatorError('OVERLAY_DAMAGED', `Overlay '${path}' ${what}`, {
    hint: 'restore it from a copy; without its changes, name another file with upper=',
  })

async function write(path: string, data: BackingStore, offset: number, bytes: Buffer): Promise<void> {
  const { error } = await ask(data, 'write', { offset, bytes, forced: true })
  if (error === StoreError.none) return
  throw new OperatorError('OVERLAY_FILE', `Overlay '${path}' cannot be written`, {
    hint: error === StoreError.noSpace ? 'make room on its disk' : 'check the disk that it is on',
  })
}

function headerBytesOf(path: string, header: Header): Buffer {
  try {
    return headerBytes(header)
  } catch (cause) {
    throw new OperatorError('OVERLAY_FILE', `Overlay '${path}': ${(cause as Error).message}`, {
      hint: 'use shorter paths',
      cause,
    })
  }
}

const realPathOf = ({ identity }: FileStore): string => identity.replace(/^file:/, '')

/** Tells this run of the machine from others; empty where nobody knows. */
async function bootId(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'latin1').then(
    text => text.trim(),
    () => '',
  )
}
